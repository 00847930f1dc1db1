/**
 * The contract of runtime drivers: an OCI runtime (runtime-spec, runtime.md) as a program on this
 * host. The driver knows the program's words and files; it never decides what a container is.
 *
 *     create ──> created ── start ──> running ⇄ paused
 *                   │                    │ kill, exit
 *                   └──── remove <──── stopped
 *
 * `create` is not here: the monitor runs it (it must be the parent of the container's process), with
 * the program and `globalArguments`. Everything is synchronous and takes one spawn when it succeeds;
 * a second one asks for the state when it does not, so that every driver fails with the same code:
 * `notfound` for an id the runtime does not know, `state` for a state that does not allow the call,
 * else `failed`. The words of the runtime are always in the message.
 */
import type { CoracleError } from "../../core/errors.ts";

/**
 * State as the runtime tells it, except that a process which is dead but not yet reaped counts as
 * stopped; `gone` when the runtime does not know the id. runtime-spec, "State".
 */
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

/**
 * Translating a seccomp profile takes a program longer than all the rest of a create. One that can
 * be given the translated filter offers it here; the container is the same with and without.
 */
export interface RuntimeFilters {
  /**
   * Annotations for config.json that carry the filter translated earlier for exactly this profile
   * (the JSON text of `linux.seccomp`); none when there is no such filter.
   */
  annotations(profile: string): Readonly<Record<string, string>>;

  /** After a create without them: keeps what the program made of the profile for container `id`. */
  keep(id: string, profile: string): void;
}

export interface RuntimeDriver {
  readonly name: string;
  /** Absolute path of the program. */
  readonly path: string;
  /** First line of `--version`. Asked from the program at the first use: takes a spawn. */
  readonly version: string;
  readonly can: RuntimeAbilities;
  readonly filters?: RuntimeFilters;

  /**
   * What a monitor passes to the runtime before the subcommand (`--root DIR`, `--log FILE`, …), so
   * that the container is in our own state directory.
   */
  readonly globalArguments: readonly string[];

  /** Variables a monitor adds to the environment of the runtime, for the same reason. */
  readonly environment: Readonly<Record<string, string>>;

  /**
   * Turns what the runtime wrote when `create` or `exec` failed into an error with the right code:
   * `notcommand` (127), `notexecutable` (126), `exists` (the id is taken), else `failed`. The line
   * keeps the runtime's words and ends as Podman's does. `what` is the action: `cannot start …`.
   */
  explain(said: string, what: string): CoracleError;

  /**
   * Starts the process of a created container. Fails with `state` when it is not created. A file
   * that the kernel cannot execute (no interpreter, wrong format) is found only now, by the process
   * itself: it ends with status 1 and says so on its standard error.
   */
  start(id: string): void;

  /**
   * Asks the runtime; cheap callers look at the pid first. Never fails for an unknown id: `gone`,
   * and that answer takes no spawn.
   */
  state(id: string): RuntimeStatus;

  /**
   * Sends a signal (1-64) to the init process, or with `all` to every process of the container.
   * Fails with `state` when it does not run. A paused one gets the signal when it is resumed; SIGKILL
   * ends it.
   */
  kill(id: string, signal: number, options?: { readonly all?: boolean }): void;

  /** Freezes every process of a running container. Quiet when it is paused; `state` when stopped. */
  pause(id: string): void;

  /** Lets it go on. Quiet when it is not paused; `state` when stopped. */
  resume(id: string): void;

  /** Ids of the processes in the container, in our pid namespace. Fails with `state` when stopped. */
  processes(id: string): number[];

  /** Changes limits of a created, running or paused container; `state` when stopped. */
  update(id: string, change: ResourceUpdate): void;

  /**
   * Forgets the container and removes its cgroup; `force` kills it first, also a paused one. Quiet
   * when it is gone; without `force` fails with `state` while it runs.
   */
  remove(id: string, options?: { readonly force?: boolean }): void;

  /**
   * Begins what `remove` with `force` does, for a container whose process is known to be gone, and
   * returns the function that waits for its end and fails as `remove` does: the caller frees
   * mounts meanwhile.
   */
  beginRemoval(id: string): () => void;
}
