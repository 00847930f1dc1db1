/**
 * `deno task start`: from an empty clone to running containers. Installs what is missing, builds,
 * makes a Debian root file system, imports it, and runs containers from it with both runtimes in a
 * store of its own under build/. Every step is checked; the next commands to try come last.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { buildExecutable, EXECUTABLE } from "./build.ts";
import {
  type CommandResult,
  finish,
  isRoot,
  PROJECT,
  quote,
  run,
  say,
  ToolError,
} from "./command.ts";
import { ensurePackages } from "./host_packages.ts";
import { prepareHost } from "./prepare_host.ts";
import { debianTar } from "./root_file_system.ts";

const IMAGE = "localhost/debian:bookworm";
/** The demonstration's own store, so that nothing it does meets the user's containers. */
const OWN_STORE = ["--root", join(PROJECT, "build/store"), "--runroot", join(PROJECT, "build/run")];

interface StepOptions {
  readonly input?: string;
  /** Exit status it must end with; 0 when left out. */
  readonly status?: number;
  /** A word its output must have. */
  readonly says?: string;
}

/** Runs coracle and checks what came of it; prints the command as a person would type it. */
function step(args: readonly string[], options: StepOptions = {}): CommandResult {
  const started = performance.now();
  const result = run([EXECUTABLE, ...args], { input: options.input, timeout: 120_000 });
  const shown = quote(["coracle", ...args.filter((word) => !OWN_STORE.includes(word))]);
  const output = result.stdout + result.stderr;
  const wanted = options.status ?? 0;
  if (result.status !== wanted || !output.includes(options.says ?? "")) {
    const why = result.status === wanted
      ? `its output lacks ${JSON.stringify(options.says)}`
      : `exit status ${result.status} instead of ${wanted}`;
    throw new ToolError(`cannot run ${shown}: ${why}\n  ${output.trim().replaceAll("\n", "\n  ")}`);
  }
  const status = wanted === 0 ? "" : ` (exit status ${wanted}, as the command's own)`;
  say(`  ${shown}${status}  ${Math.round(performance.now() - started)} ms`);
  return result;
}

/** Brings the image into a store unless it is there. */
function ensureImage(store: readonly string[], tar: string): void {
  if (run([EXECUTABLE, ...store, "image", "exists", IMAGE]).status === 0) return;
  step([...store, "import", "--change", 'CMD ["bash"]', tar, IMAGE]);
}

/** The same small tour with one runtime. */
function tour(runtime: string): void {
  const own = [...OWN_STORE, "--runtime", runtime];
  const name = `hello-${runtime}`;
  say(`containers with ${runtime}:`);
  step([...own, "run", "--rm", IMAGE, "cat", "/etc/os-release"], { says: "bookworm" });
  step([...own, "run", "--rm", IMAGE, "sh", "-c", "exit 3"], { status: 3 });
  const digest = createHash("sha256").update("coracle\n").digest("hex");
  step([...own, "run", "--rm", "-i", IMAGE, "sha256sum"], { input: "coracle\n", says: digest });

  const service = 'trap "echo good bye; exit 0" TERM; echo hello; while :; do sleep 0.1; done';
  run([EXECUTABLE, ...own, "rm", "--force", "--ignore", name]);
  step([...own, "run", "--detach", "--name", name, IMAGE, "sh", "-c", service]);
  step([...own, "ps", "--format", "{{.Names}} {{.Status}}"], { says: name });
  waitForLog(own, name, "hello");
  step([...own, "stop", "--time", "10", name]);
  step([...own, "logs", name], { says: "good bye" });
  step([...own, "rm", name]);
}

/** Waits until a container, which starts on its own time, has written a word to its log. */
function waitForLog(own: readonly string[], name: string, word: string): void {
  const deadline = performance.now() + 10_000;
  while (performance.now() < deadline) {
    if (run([EXECUTABLE, ...own, "logs", name]).stdout.includes(word)) break;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  }
  step([...own, "logs", name], { says: word });
}

await finish(() => {
  const started = performance.now();
  ensurePackages("start");
  if (!isRoot()) {
    throw new ToolError("cannot run containers: this needs root\ntry: sudo npx -y deno task start");
  }
  prepareHost();
  buildExecutable();
  const tar = debianTar();
  say(`image ${IMAGE} in a store of its own, build/store:`);
  ensureImage(OWN_STORE, tar);
  step([...OWN_STORE, "images"], { says: "localhost/debian" });
  for (const runtime of ["crun", "runc"]) tour(runtime);
  say("the same image in the default store:");
  ensureImage([], tar);
  step(["run", "--rm", IMAGE, "cat", "/etc/os-release"], { says: "bookworm" });

  say(`\nAll of it worked, in ${((performance.now() - started) / 1000).toFixed(1)} s. Next, try:
  ./dist/coracle run --rm ${IMAGE} cat /etc/os-release
  ./dist/coracle run -it --rm ${IMAGE} bash
  ./dist/coracle run -d --name web ${IMAGE} sleep 1000
  ./dist/coracle ps -a
  ./dist/coracle rm -f web
  ./dist/coracle doctor
  npx -y deno task test`);
});
