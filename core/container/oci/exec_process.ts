/** The `process` of an exec session, made from that of its container. runtime-spec config.md. */
import { mergeEnvironment } from "../arguments/environment.ts";
import { capabilitySets } from "../capabilities.ts";
import type { CreateRequest } from "../request.ts";
import type { ResolvedUser } from "../users.ts";
import type { OciProcess } from "./spec.ts";

export interface ExecProcessInput {
  /** From the container's config.json. */
  readonly container: OciProcess;
  /** As the container was asked for. */
  readonly request: CreateRequest;
  readonly user: ResolvedUser;
  readonly args: readonly string[];
  /** `KEY=VALUE`, over the container's. */
  readonly environment: readonly string[];
  readonly workdir?: string;
  readonly terminal: boolean;
  readonly privileged: boolean;
  /** This process's bounding capabilities. */
  readonly hostCapabilities: readonly string[];
}

/** Limits, seccomp and umask stay the container's; a privileged session has all capabilities. */
export function execProcess(input: ExecProcessInput): OciProcess {
  const { container, request, user } = input;
  const privileged = input.privileged || request.privileged;
  return {
    ...container,
    terminal: input.terminal,
    user: {
      uid: user.uid,
      gid: user.gid,
      ...(container.user.umask === undefined ? {} : { umask: container.user.umask }),
      ...(user.groups.length > 0 ? { additionalGids: user.groups } : {}),
    },
    args: input.args,
    env: mergeEnvironment(container.env, [`HOME=${user.home || "/"}`], input.environment),
    cwd: input.workdir ?? container.cwd,
    capabilities: capabilitySets({ ...request, privileged }, user, input.hostCapabilities),
  };
}
