/**
 * The `process` part of config.json: what runs, as whom, with which environment and rights.
 * runtime-spec config.md, "Process".
 */
import { CoracleError } from "../../errors.ts";
import { mergeEnvironment } from "../arguments/environment.ts";
import type { OciContext } from "../oci_config.ts";
import type { OciProcess, OciRlimit } from "./spec.ts";
import { limitName, type ResolvedLimit } from "../rlimits.ts";
import type { ResolvedContainer } from "../resolve.ts";
import type { ResolvedUser } from "../users.ts";

/** Where `--init` mounts its program in the container; Podman's path. */
export const INIT_PATH = "/run/podman-init";

export function ociProcess(context: OciContext): OciProcess {
  const { resolved, user } = context;
  const { request } = resolved;
  const words = [...resolved.entrypoint, ...resolved.command];
  return {
    ...(request.terminal ? { terminal: true } : {}),
    user: {
      uid: user.uid,
      gid: user.gid,
      umask: request.umask,
      ...(user.groups.length > 0 ? { additionalGids: user.groups } : {}),
    },
    args: request.init ? [INIT_PATH, "--", ...words] : words,
    env: processEnvironment(resolved, user, context.hostnameInside),
    cwd: resolved.workdir,
    capabilities: context.capabilities,
    rlimits: context.limits.limits.map(rlimitOf),
    ...(request.security.noNewPrivileges ? { noNewPrivileges: true } : {}),
    ...apparmorOf(context),
    ...(request.oomScoreAdj === undefined ? {} : { oomScoreAdj: request.oomScoreAdj }),
  };
}

/** The environment in full: HOME and HOSTNAME come last unless someone set them. */
export function processEnvironment(
  resolved: Pick<ResolvedContainer, "environment">,
  user: Pick<ResolvedUser, "home">,
  hostname: string,
): string[] {
  const { environment } = resolved;
  const own = [`HOME=${user.home || "/"}`, `HOSTNAME=${hostname}`];
  return mergeEnvironment(
    environment,
    own.filter((word) => !environment.some((one) => one.startsWith(word.split("=", 1)[0] + "="))),
  );
}

export function rlimitOf({ name, soft, hard }: ResolvedLimit): OciRlimit {
  return { type: limitName(name), hard, soft };
}

function apparmorOf({ resolved, host }: OciContext): { apparmorProfile?: string } {
  const profile = resolved.request.security.apparmor;
  if (profile === undefined || profile === "" || profile === "unconfined") return {};
  if (!host.hasApparmor) {
    throw new CoracleError(
      "unsupported",
      `cannot use apparmor profile ${JSON.stringify(profile)}`,
      {
        why: `apparmor profile ${
          JSON.stringify(profile)
        } specified, but Apparmor is not enabled on this system`,
      },
    );
  }
  return { apparmorProfile: profile };
}
