/**
 * A seccomp profile the user brings: the runtime-spec's own form, or the form of docker and Podman
 * with conditions (`includes`, `excludes`, `archMap`), which is reduced to the first.
 */
import { CoracleError } from "../../errors.ts";
import type { OciSeccomp, OciSeccompArgument, OciSeccompRule, SeccompAction } from "./spec.ts";
import { kernelAtLeast, SECCOMP_ARCHITECTURES, type SeccompFacts } from "../seccomp.ts";

type Fields = Readonly<Record<string, unknown>>;

/** `content` is the file's text, `path` is for the error. Fails with `usage`. */
export function parseSeccompProfile(
  content: string,
  options: SeccompFacts & { readonly path: string },
): OciSeccomp {
  const fail = (why: string) =>
    new CoracleError("usage", `cannot use seccomp profile ${JSON.stringify(options.path)}`, {
      why: `loading seccomp profile (${options.path}) failed: ${why}`,
    });
  let profile: unknown;
  try {
    profile = JSON.parse(content);
  } catch (error) {
    throw fail(`decoding seccomp profile failed: ${(error as Error).message}`);
  }
  if (!isFields(profile)) throw fail("decoding seccomp profile failed: it is not an object");
  const { defaultAction, defaultErrnoRet, syscalls = [], flags } = profile;
  if (!isAction(defaultAction)) {
    throw fail(`unknown default action ${JSON.stringify(defaultAction)}`);
  }
  if (!Array.isArray(syscalls)) throw fail('"syscalls" is not a list');
  return {
    defaultAction,
    ...(typeof defaultErrnoRet === "number" ? { defaultErrnoRet } : {}),
    ...(isTexts(flags) ? { flags } : {}),
    ...architecturesOf(profile, options),
    syscalls: syscalls.flatMap((call: unknown) => ruleOf(call, options, fail)),
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function isAction(value: unknown): value is SeccompAction {
  return typeof value === "string" && value.startsWith("SCMP_ACT_");
}

function architecturesOf(profile: Fields, facts: SeccompFacts): { architectures?: string[] } {
  if (isTexts(profile.architectures)) return { architectures: profile.architectures };
  if (!Array.isArray(profile.archMap)) return {};
  const own = SECCOMP_ARCHITECTURES[facts.architecture]?.[0];
  for (const entry of profile.archMap as unknown[]) {
    if (!isFields(entry) || entry.architecture !== own || own === undefined) continue;
    const others = isTexts(entry.subArchitectures) ? entry.subArchitectures : [];
    return { architectures: [own, ...others] };
  }
  return {};
}

function ruleOf(
  call: unknown,
  facts: SeccompFacts,
  fail: (why: string) => Error,
): OciSeccompRule[] {
  if (!isFields(call)) throw fail("a system call is not an object");
  const names = isTexts(call.names) ? call.names : typeof call.name === "string" ? [call.name] : [];
  if (names.length === 0 || !isAction(call.action)) {
    throw fail("a system call has no name or no action");
  }
  if (!isMeant(call.includes, facts, true) || !isMeant(call.excludes, facts, false)) return [];
  const args = Array.isArray(call.args) ? call.args as OciSeccompArgument[] : [];
  return [{
    names,
    action: call.action,
    ...(typeof call.errnoRet === "number" ? { errnoRet: call.errnoRet } : {}),
    ...(args.length > 0 ? { args } : {}),
  }];
}

/** Does a condition let the rule stand? `includes` must all hold, of `excludes` none may. */
function isMeant(condition: unknown, facts: SeccompFacts, wanted: boolean): boolean {
  if (!isFields(condition)) return true;
  const checks: boolean[] = [];
  if (isTexts(condition.arches) && condition.arches.length > 0) {
    checks.push(condition.arches.includes(facts.architecture));
  }
  if (isTexts(condition.caps) && condition.caps.length > 0) {
    const holds = (cap: string) => facts.capabilities.includes(cap);
    checks.push(wanted ? condition.caps.every(holds) : condition.caps.some(holds));
  }
  if (typeof condition.minKernel === "string") {
    const [major = 0, minor = 0] = condition.minKernel.split(".").map(Number);
    checks.push(kernelAtLeast(facts.kernel, major, minor));
  }
  return wanted ? checks.every((one) => one) : !checks.some((one) => one);
}
