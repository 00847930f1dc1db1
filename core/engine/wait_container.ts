/** Waits until a container has ended and says how (C14); the kernel wakes us, nothing is polled. */
import { containerById, type ContainerRow, exitOfRemoved } from "../state/containers.ts";
import { waitForFile } from "../sys/inotify.ts";
import { sleep, waitGone } from "../sys/process.ts";
import { containerFiles } from "./container_files.ts";
import { derived } from "./container_state.ts";
import type { Engine } from "./engine.ts";

/** The monitor writes the exit file right after the process is gone. Milliseconds. */
const EXIT_FILE_MS = 5_000;
/** One that was never started has nothing to wait on but its record. Milliseconds. */
const RECORD_MS = 250;
const FOR_EVER = 2_147_483_647;

/**
 * The exit status, as soon as there is one; null when the container was removed and nobody knows
 * any more. One that was never started is waited for until it has been started and has ended.
 */
export function waitContainer(
  engine: Pick<Engine, "db" | "paths">,
  row: ContainerRow,
): number | null {
  for (;;) {
    const fresh = containerById(engine.db, row.id);
    if (fresh === undefined) return exitOfRemoved(engine.db, row.id) ?? null;
    const { state, exitCode } = derived(engine, fresh);
    if (state === "stopped") return exitCode ?? fresh.exitCode;
    if (state === "exited") return fresh.exitCode;
    if (fresh.pid > 0 && fresh.phase === "started") {
      waitGone(fresh.pid, FOR_EVER);
      waitForFile(containerFiles(engine.paths, row.id).exit, {
        pid: fresh.monitorPid,
        timeoutMs: EXIT_FILE_MS,
      });
    } else {
      sleep(RECORD_MS);
    }
  }
}
