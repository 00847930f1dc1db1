/**
 * Where coracle is not as Podman, on purpose, each with its reason. An entry that covers nothing
 * any more fails the test.
 */
import type { Finding } from "./compare.ts";

export interface Difference {
  readonly name: string;
  /** Why coracle's way is kept. */
  readonly reason: string;
  /** Which lines, as they are written in the scenarios. */
  readonly lines: RegExp;
  /** Which findings of those lines. */
  readonly what: RegExp;
}

export const DIFFERENCES: readonly Difference[] = [
  {
    name: "the folders of the store",
    reason: "where layers, bundles and logs lie is each program's own",
    lines: /inspect|mount/,
    what:
      /^json .*(StaticDir|PidFile|GraphDriver\.Data\.\w+|LogConfig\.Path|CgroupPath|HostnamePath|HostsPath|OCIConfigPath|mountpoint):|^stdout: podman \"PLACE\/root\/overlay/,
  },
  {
    name: "sizes of images",
    reason: "Podman counts the bytes of the tar with its headers, coracle those of the files",
    lines: /^(image|history|inspect --(size|type image))/,
    what: /\dMB|\d MB|\d{7}/,
  },
  {
    name: "annotations of Podman",
    reason: "they say what other keys say, and newer Podman has left most of them out",
    lines: /inspect/,
    what: /^json .*Config\.Annotations/,
  },
  {
    name: "the name of the program as it was called",
    reason: "CreateCommand begins with the word that the user typed, not with where it was found",
    lines: /inspect/,
    what: /^json .*CreateCommand/,
  },
  {
    name: "the version of the runtime specification",
    reason: "crun 1.8 announces 1.0.2, and coracle writes nothing newer",
    lines: /inspect/,
    what: /^json .*OciVersion/,
  },
  {
    name: "shared memory of 64 MiB",
    reason: "Podman's manual promises 64 MB as Docker has them; Podman 4.3 takes 65,536,000 bytes",
    lines: /inspect/,
    what: /^json .*ShmSize/,
  },
  {
    name: "variables of the environment",
    reason:
      "HOME is set by coracle, under Podman by the runtime; after the end what was asked for is shown",
    lines: /inspect/,
    what: /^json .*Config\.Env|^stdout: podman \"\[A=b/,
  },
  {
    name: "a count of restarts",
    reason: "newer Podman lists it in ps",
    lines: /^ps/,
    what: /^json .*Restarts/,
  },
  {
    name: "the version",
    reason: "coracle's own version, commit and runtime; it is not written in Go",
    lines: /^(version|info)/,
    what: /^json \.(Client|version)\./,
  },
  {
    name: "facts about parts that coracle has not",
    reason:
      "Buildah, networks, the socket, journald, slirp4netns and packages are not part of coracle",
    lines: /^info/,
    what:
      /^json \.host\.(buildahVersion|conmon|cpuUtilization|eventLogger|networkBackend|ociRuntime|remoteSocket|slirp4netns|linkmode|security\.(capabilities|seccompProfilePath))|^json \.(plugins\.(network|log)|store\.(configFile:|imageCopyTmpDir|graphStatus))/,
  },
  {
    name: "facts that Podman does not tell",
    reason: "drivers are coracle's own idea, and a hybrid layout of cgroups is one that matters",
    lines: /^info/,
    what: /^json \.(drivers|host\.cgroupLayout|store\.configFiles)/,
  },
  {
    name: "JSON of the disk usage",
    reason: "Podman 4.3 prints the word json; newer Podman prints JSON as coracle does",
    lines: /^system df --format json/,
    what: /^stdout/,
  },
  {
    name: "what a prune would remove",
    reason: "there are no networks and no build cache to be removed",
    lines: /^system prune$/,
    what: /^stdout/,
  },
  {
    name: "the name of an image out of a folder",
    reason: "coracle takes the name that is written in the layout, Podman that of the folder",
    lines: /^load -q -i ocidir/,
    what: /^stdout/,
  },
  {
    name: "a container made anew",
    reason: "newer Podman does not print the name of the one that was replaced",
    lines: /^run --replace --name/,
    what: /^stdout/,
  },
  {
    name: "stop before the first start",
    reason: "there is nothing to stop: docs/containers.md has an error for this state",
    lines: /^stop box$/,
    what: /^status: podman 0, coracle 125|^stdout: podman \"box\"|^stderr: podman \"\"/,
  },
  {
    name: "start of what runs",
    reason: "newer Podman prints the name again, so that a script sees one line for each",
    lines: /^start box$/,
    what: /^stdout: podman \"\"/,
  },
  {
    name: "the own group of an exec session",
    reason:
      "it stays among the supplementary groups as in run: else setgid(2) sheds it (CVE-2022-2989)",
    lines: /^exec (-u|--user)/,
    what: /^stdout/,
  },
  {
    name: "a group without a name",
    reason: "coracle writes nothing into the image's /etc/group",
    lines: /--user 1000:1001/,
    what: /^stdout/,
  },
  {
    name: "a relative working directory",
    reason: "it is made absolute before it is looked for, and shown so",
    lines: /-w relative/,
    what: /^stderr/,
  },
];

/** The entry that allows the finding. */
export function allowed(finding: Finding): Difference | undefined {
  return DIFFERENCES.find(({ lines, what }) => lines.test(finding.line) && what.test(finding.what));
}
