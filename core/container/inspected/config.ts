/**
 * The `Config` part of `inspect`: what is portable of a container. Podman 4.3's keys.
 */
import type { InspectInput } from "../inspect.ts";

export function inspectedConfig(input: InspectInput): Record<string, unknown> {
  const { resolved, image } = input.record;
  const { request } = resolved;
  return {
    Hostname: input.expected.hostname,
    Domainname: "",
    User: resolved.user,
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    Tty: request.terminal,
    OpenStdin: request.interactive,
    StdinOnce: false,
    Env: input.spec?.process.env ?? resolved.environment,
    Cmd: resolved.command.length > 0 ? resolved.command : null,
    Image: image?.name ?? "",
    Volumes: null,
    WorkingDir: resolved.workdir,
    // One text, as in Podman 4; a list only since Podman 5.
    Entrypoint: resolved.entrypoint.join(" "),
    OnBuild: null,
    Labels: Object.keys(resolved.labels).length > 0 ? resolved.labels : null,
    Annotations: input.spec?.annotations ?? resolved.annotations,
    StopSignal: resolved.stopSignal,
    HealthcheckOnFailureAction: "none",
    CreateCommand: request.createCommand,
    ...(request.timezone === undefined ? {} : { Timezone: request.timezone }),
    Umask: request.umask.toString(8).padStart(4, "0"),
    Timeout: request.timeout,
    StopTimeout: request.stopTimeout,
    Passwd: true,
    sdNotifyMode: "container",
  };
}
