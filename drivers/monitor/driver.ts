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
 *     <exits>/<id>             exit status as text, renamed into place
 *     <log>                    k8s-file lines: TIME stdout|stderr F|P TEXT
 *
 * The monitor outlives the caller; it is never waited for.
 */
import type { RuntimeDriver } from "../runtime/driver.ts";

export interface MonitorSpec {
  /** 64 hex digits, the container's id. */
  readonly id: string;
  readonly name: string;
  /** The OCI bundle: `config.json` and the root. */
  readonly bundle: string;
  /** The monitor's own directory for pid files, fifos and the attach socket. */
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
  /** Standard input stays open for attachers; else it is /dev/null. */
  readonly stdin: boolean;
  /** Standard input closes when the first attacher that had it leaves. */
  readonly leaveStdinOpen?: boolean;
  /** Command run once when the container has ended and the exit file is there. */
  readonly exitCommand: readonly string[];
  /** Seconds after which the container is killed; 0: never. */
  readonly timeout?: number;
  /** File descriptors of ours, from 3 on, given to the container. */
  readonly preserveFds?: number;
  /** Environment for the monitor and the runtime, complete. */
  readonly environment: Readonly<Record<string, string>>;
  /** cgroup the monitor itself is moved into, or none. */
  readonly cgroup?: string;
  /** File the runtime writes its error to (`--log`), read when create fails. */
  readonly runtimeLog: string;
}

/** An additional process inside a running container. */
export interface ExecSpec extends Omit<MonitorSpec, "bundle" | "log"> {
  /** Unique in the container; also the name of the exit file. */
  readonly session: string;
  /** File with the runtime-spec `process` object. */
  readonly processFile: string;
  readonly log: { readonly driver: "none"; readonly path: string };
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
  readonly version: string;

  /**
   * Starts the monitor, which has the runtime create the container; returns when the container is
   * created (its process waits) with both pids, or fails with what the runtime said (through
   * `RuntimeDriver.explain`), leaving no process behind. The container does not run yet: the
   * caller attaches if it wants to, then calls `RuntimeDriver.start`.
   */
  create(spec: MonitorSpec, runtime: RuntimeDriver): Started;

  /**
   * Starts a process in a running container, the same way. With `attach`, `attached` is called
   * when `dir/attach` is there and before the process runs, so that no output is lost.
   */
  exec(spec: ExecSpec, runtime: RuntimeDriver, attached: () => void): Started;

  /** Tells the monitor of a new window size. Quiet when it is gone. */
  resize(dir: string, size: { readonly rows: number; readonly columns: number }): void;

  /** Has it close and open the log again, after a rotation. Quiet when it is gone. */
  reopenLog(dir: string): void;
}
