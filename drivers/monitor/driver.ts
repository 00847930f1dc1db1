/**
 * The contract of monitor drivers: the small process that stays beside a container (or an exec
 * session): parent of its init process, holder of its stdio, writer of its log and of its exit file,
 * and the one who calls the cleanup when it ends. Files and sockets are conmon's in every driver
 * (conmon(8)), so that one can be replaced by the other:
 *
 *     <dir>/pidfile            pid of the container's process, text
 *     <dir>/conmon.pid         pid of the monitor, text
 *     <dir>/attach             SOCK_SEQPACKET socket; packets begin with 2 (stdout) or 3 (stderr)
 *     <dir>/ctl, <dir>/winsz   fifos: "1 ROWS COLS\n" resizes, "2 0 0\n" reopens the log
 *     <dir>/exit               exit status as text, renamed into place; -1 when `timeout` ended it
 *     <dir>/oom                there when the kernel killed a process for its memory
 *     <exits>/<id>             the exit status again, for one watch on all containers (not for exec)
 *     <log>                    k8s-file lines: TIME stdout|stderr F|P TEXT
 *
 * The order at the end: all output is in the log and with the attached clients, the clients are
 * closed, the exit file appears, the exit command runs, the monitor ends. The monitor outlives the
 * caller; it is never waited for.
 */
import type { RuntimeDriver } from "../runtime/driver.ts";

export interface MonitorSpec {
  /** 64 hex digits, the container's id. */
  readonly id: string;
  readonly name: string;
  /** The OCI bundle: the directory of `config.json`, in which `root.path` is absolute. */
  readonly bundle: string;
  /**
   * The monitor's own directory for pid files, fifos and the attach socket, on a file system that a
   * reboot empties. It may be the bundle too, which saves a link.
   */
  readonly dir: string;
  /** Directory of exit files. */
  readonly exits: string;
  /** `k8s-file` or `none` (the rest is the issue of logs). */
  readonly log: {
    readonly driver: "k8s-file" | "none";
    readonly path: string;
    readonly maxBytes?: number;
  };
  readonly terminal: boolean;
  /** Standard input is a pipe for attachers; else it is /dev/null. A terminal has it always. */
  readonly stdin: boolean;
  /** Without it that pipe closes when the first attacher leaves or ends its side. */
  readonly leaveStdinOpen?: boolean;
  /**
   * Command run once when the container has ended and the exit file is there; empty: none. It may
   * also run when `create` fails, before or after the error is returned: it must be quiet then.
   */
  readonly exitCommand: readonly string[];
  /** Seconds after which the container is killed; 0: never. */
  readonly timeout?: number;
  /** File descriptors of ours, from 3 on, given to the container. */
  readonly preserveFds?: number;
  /**
   * Environment for the monitor, the runtime and the exit command, complete; what would change how
   * they work (see environment.ts) is taken out.
   */
  readonly environment: Readonly<Record<string, string>>;
  /**
   * cgroup below the root of every hierarchy that the monitor itself is moved into (`/coracle`);
   * made when it is missing. Without it the monitor stays in the caller's.
   */
  readonly cgroup?: string;
  /** File the runtime writes its error to (`--log`), read when create fails. */
  readonly runtimeLog: string;
}

/** An additional process inside a running container. Its output is not logged. */
export interface ExecSpec
  extends Omit<MonitorSpec, "bundle" | "log" | "exits" | "cgroup" | "timeout"> {
  /** Unique in the container. */
  readonly session: string;
  /** File with the runtime-spec `process` object. */
  readonly processFile: string;
  /** Stay attached: wait for the attacher on `dir/attach` before the process starts. */
  readonly attach: boolean;
}

export interface Started {
  /** The container's process. */
  readonly pid: number;
  readonly monitorPid: number;
}

export interface MonitorDriver {
  readonly name: string;
  /** Absolute path of the program, or of this executable. */
  readonly path: string;
  /** Asked from the program at the first use: takes a spawn. */
  readonly version: string;

  /**
   * Starts the monitor, which has the runtime create the container; returns when the container is
   * created (its process waits) with both pids, or fails with what the runtime said (through
   * `RuntimeDriver.explain`), leaving no container and no monitor behind. Files of an earlier run in
   * `dir` and the old exit file go first. Fails with `exists` when the runtime knows the id. The
   * container does not run yet: the caller attaches if it wants to, then calls
   * `RuntimeDriver.start`.
   */
  create(spec: MonitorSpec, runtime: RuntimeDriver): Started;

  /**
   * Starts a process in a running container, the same way. With `attach`, `attached` is called
   * when `dir/attach` is there and before the process runs, so that no output is lost; when it
   * throws, the process does not run. Without `attach` it is not called.
   */
  exec(spec: ExecSpec, runtime: RuntimeDriver, attached: () => void): Started;

  /**
   * Tells the monitor of a new window size. Quiet when it is gone. Of two sizes set within a few
   * milliseconds the first may win (conmon 2.1.6); who needs the last one sets it again after a
   * moment, as core/container/attach.ts does.
   */
  resize(dir: string, size: { readonly rows: number; readonly columns: number }): void;

  /** Has it close and open the log again, after a rotation. Quiet when it is gone. */
  reopenLog(dir: string): void;
}
