/**
 * The contract of runtime drivers: an OCI runtime (runtime-spec, runtime.md) as a program on this
 * host. The driver knows the program's words and files; it never decides what a container is.
 *
 *     create ──> created ── start ──> running ⇄ paused
 *                   │                    │ kill, exit
 *                   └──── remove <──── stopped
 *
 * `create` is not here: the monitor runs it (it must be the parent of the container's process), with
 * the command that `commandLine` names. Everything is synchronous and takes one spawn.
 */

/** State as the runtime tells it; `gone` when it does not know the id. runtime-spec, "State". */
export type RuntimeState = "creating" | "created" | "running" | "paused" | "stopped" | "gone";

export interface RuntimeStatus {
  readonly state: RuntimeState;
  /** Process id in our pid namespace; 0 when there is none. */
  readonly pid: number;
}

/** Limits that can be changed on a living container; only the given ones change. */
export interface ResourceUpdate {
  /** The runtime-spec's `linux.resources`. */
  readonly resources: Readonly<Record<string, unknown>>;
}

export interface RuntimeAbilities {
  readonly pause: boolean;
  readonly update: boolean;
  /** `exec --preserve-fds`. */
  readonly preserveFds: boolean;
  readonly seccomp: boolean;
  /** cgroup layouts it runs on. */
  readonly cgroups: readonly ("v1" | "v2" | "hybrid")[];
}

export interface RuntimeDriver {
  readonly name: string;
  /** Absolute path of the program. */
  readonly path: string;
  /** First line of `--version`. */
  readonly version: string;
  readonly can: RuntimeAbilities;

  /**
   * What a monitor passes to the runtime before the subcommand (`--root DIR`, `--log FILE`, …), so
   * that the container is in our own state directory.
   */
  readonly globalArguments: readonly string[];

  /**
   * Turns what the runtime wrote when `create` or `exec` failed into an error with the right code:
   * `notcommand` (127), `notexecutable` (126), else `failed`.
   */
  explain(said: string, what: string): Error;

  /** Starts the process of a created container. Fails with `state` when it is not created. */
  start(id: string): void;

  /** Asks the runtime; cheap callers look at the pid first. Never fails for an unknown id: `gone`. */
  state(id: string): RuntimeStatus;

  /**
   * Sends a signal (1-64) to the init process, or with `all` to every process of the container.
   * Fails with `state` when it does not run.
   */
  kill(id: string, signal: number, options?: { readonly all?: boolean }): void;

  pause(id: string): void;
  resume(id: string): void;

  /** Ids of the processes in the container, in our pid namespace. */
  processes(id: string): number[];

  update(id: string, change: ResourceUpdate): void;

  /** Forgets the container and removes its cgroup; `force` kills it first. Quiet when it is gone. */
  remove(id: string, options?: { readonly force?: boolean }): void;
}
