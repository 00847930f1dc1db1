/**
 * Values of the flags that limit a container's share of the host, and the checks between them.
 */
import type { ResourceRequest } from "../request.ts";
import { parseInteger, wrongValue } from "./wrong_value.ts";

/** A number of CPUs, `1.5`. Zero or less means no limit, as in Podman. */
export function parseCpus(text: string): number {
  if (!/^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?$/i.test(text)) {
    const quoted = JSON.stringify(text);
    throw wrongValue(
      "--cpus",
      `invalid argument ${quoted} for "--cpus" flag: strconv.ParseFloat: parsing ${quoted}: ` +
        "invalid syntax",
    );
  }
  return Math.max(0, Number(text));
}

/** A kernel list, `0-3,5`; `what` is `cpus` or `mems`. cpuset(7), "List format". */
export function parseCpuset(what: "cpus" | "mems", text: string): string {
  if (text !== "" && !/^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$/.test(text)) {
    throw wrongValue(`--cpuset-${what}`, `invalid value ${text} for cpuset ${what}`);
  }
  for (const range of text.split(",")) {
    const [low = "", high = low] = range.split("-");
    if (Number(low) > Number(high)) {
      throw wrongValue(`--cpuset-${what}`, `invalid value ${text} for cpuset ${what}`);
    }
  }
  return text;
}

/** 10-1000. cgroup v1 blkio.weight; the runtime converts it for v2. */
export function parseBlkioWeight(text: string): number {
  if (!/^[0-9]+$/.test(text)) {
    throw wrongValue(
      "--blkio-weight",
      `invalid value for blkio-weight: strconv.ParseUint: parsing ${JSON.stringify(text)}: ` +
        "invalid syntax",
    );
  }
  const weight = Number(text);
  if (weight !== 0 && (weight < 10 || weight > 1000)) {
    throw wrongValue("--blkio-weight", "range of blkio weight is from 10 to 1000");
  }
  return weight;
}

/** -1000 to 1000. proc_pid_oom_score_adj(5). Podman hands any number on; the kernel then refuses it. */
export function parseOomScoreAdj(text: string): number {
  const value = parseInteger("--oom-score-adj", text, { signed: true });
  if (value < -1000 || value > 1000) {
    throw wrongValue("--oom-score-adj", `${value} is not in the range -1000 to 1000`);
  }
  return value;
}

/** The checks that need more than one flag, with Podman's words. */
export function checkResources(resources: ResourceRequest): void {
  const { memory, memorySwap, memoryReservation } = resources;
  if (memorySwap !== undefined && memorySwap > 0) {
    if (memory === undefined || memory === 0) {
      throw wrongValue(
        "--memory-swap",
        "you should always set a memory limit when using a memoryswap limit, see usage",
      );
    }
    if (memorySwap < memory) {
      throw wrongValue(
        "--memory-swap",
        "minimum memoryswap limit should be larger than memory limit, see usage",
      );
    }
  }
  if (memory && memoryReservation && memory < memoryReservation) {
    throw wrongValue(
      "--memory-reservation",
      "minimum memory limit can not be less than memory reservation limit, see usage",
    );
  }
  if (resources.cpus) {
    if (resources.cpuQuota) {
      throw wrongValue("--cpus", "--cpu-quota and --cpus cannot be set together");
    }
    if (resources.cpuPeriod) {
      throw wrongValue("--cpus", "--cpu-period and --cpus cannot be set together");
    }
  }
}
