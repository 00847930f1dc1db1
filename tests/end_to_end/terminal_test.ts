/** Containers on a real terminal: keys, window size, detaching, and the terminal afterwards. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, type Store, withStore } from "./executable.ts";
import { withTerminal } from "./terminal.ts";

const skip = skipUnless({ root: true, programs: ["crun", "runc", "conmon", "tmux"] });
const COOKED = ["icanon", "echo", "isig", "opost"];
const RAW = ["-icanon", "-echo", "-isig", "-opost"];

// What is expected is never what was typed: the shell computes it.

async function untilNone(store: Store): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (store.ok(["ps", "-aq"]) !== "") {
    assert.ok(performance.now() < deadline, store.ok(["ps", "-a"]));
    await sleep(50);
  }
}

test(
  "run -it: prompt, keys and window reach the program, its status comes back, the terminal is as before",
  { skip },
  withStore(async (store) => {
    store.importBusybox();
    await withTerminal(store, async (terminal) => {
      terminal.line(`coracle run -it --rm ${BUSYBOX} sh`);
      await terminal.until(/^\/ #$/m);
      await terminal.untilMode(...RAW);
      terminal.line("stty size; echo ready-$((1+1))");
      await terminal.until(/^24 80\nready-2$/m);
      terminal.line("while :; do stty size; sleep 0.1; done");
      await terminal.until(/^24 80\n24 80$/m);
      terminal.resize(100, 30);
      await terminal.until(/^30 100$/m);
      terminal.keys("C-c");
      await terminal.until(/\n\/ #$/);
      terminal.line("echo after-$((2+3))");
      await terminal.until(/^after-5$/m);
      terminal.line("(exit 9)");
      await terminal.until(/\(exit 9\)\n\/ #$/);
      terminal.keys("C-d");
      await terminal.until(/^host>$/m);
      terminal.line("echo status-$?");
      await terminal.until(/status-9$/m);
      await terminal.untilMode(...COOKED);
    });
  }),
);

for (const runtime of ["crun", "runc"]) {
  test(
    `a program that asks for the size of its window at once gets it, with ${runtime}`,
    { skip },
    withStore(async (store) => {
      store.importBusybox();
      store.ok(["--runtime", runtime, "run", "-d", "--name", "box", BUSYBOX, "sleep", "1000"]);
      await withTerminal(store, async (terminal) => {
        terminal.resize(91, 23);
        terminal.line(`coracle --runtime ${runtime} run -t --rm ${BUSYBOX} stty size`);
        await terminal.until(/^23 91$/m);
        // crun 1.8 does not give it to an exec before its first instruction.
        const ask = runtime === "crun" ? "until stty size | grep -v ^0; do :; done" : "stty size";
        for (const flags of ["-it", "-t"]) {
          terminal.line(`clear; coracle exec ${flags} box sh -c '${ask}'; echo end-$((1+1))`);
          await terminal.until(/^23 91\nend-2$/m);
        }
      });
    }),
  );
}

test(
  "the detach keys leave it running, and attach comes back, also for two at a time",
  { skip },
  withStore(async (store) => {
    store.importBusybox();
    await withTerminal(store, async (terminal) => {
      terminal.line(`coracle run -it --name box ${BUSYBOX} sh`);
      await terminal.until(/^\/ #$/m);
      await terminal.untilMode(...RAW);
      terminal.keys("C-p", "C-q");
      await terminal.untilMode(...COOKED);
      terminal.line("echo left-$?");
      await terminal.until(/left-0$/m);
      assert.equal(store.ok(["ps", "--format", "{{.Names}}"]), "box");
      terminal.line("coracle attach box");
      await terminal.untilMode(...RAW);
      await withTerminal(store, async (other) => {
        other.line("coracle attach box");
        await other.untilMode(...RAW);
        other.line("echo from-$((1+1))");
        await other.until(/^from-2$/m);
        await terminal.until(/^from-2$/m);
        other.keys("C-p", "C-q");
        await other.untilMode(...COOKED);
      });
      terminal.line("exit 3");
      await terminal.until(/host>$/);
      terminal.line("echo status-$?");
      await terminal.until(/status-3$/m);
      assert.equal(store.ok(["wait", "box"]), "3");
    });
  }),
);

test(
  "exec -it: ctrl-c is the program's, the exit status is the shell's",
  { skip },
  withStore(async (store) => {
    store.importBusybox();
    store.ok(["run", "-d", "--name", "box", BUSYBOX, "sleep", "1000"]);
    await withTerminal(store, async (terminal) => {
      terminal.line("coracle exec -it box sh");
      await terminal.until(/^\/ #$/m);
      terminal.line("echo go-$((1+1)); sleep 1000");
      await terminal.until(/^go-2$/m);
      terminal.keys("C-c");
      await terminal.until(/\n\/ #$/);
      terminal.line("echo inner-$?");
      await terminal.until(/^inner-130$/m);
      terminal.line("exit 4");
      await terminal.until(/^host>$/m);
      terminal.line("echo status-$?");
      await terminal.until(/status-4$/m);
      await terminal.untilMode(...COOKED);
    });
  }),
);

test(
  "SIGTERM of an attached run goes to the container; without the proxy it ends coracle, and the terminal is as before",
  { skip },
  withStore(async (store) => {
    store.importBusybox();
    await withTerminal(store, async (terminal) => {
      const script =
        "trap 'echo got-$((1+1)); exit 5' TERM; echo up-$((1+1)); while :; do sleep 0.1; done";
      terminal.line(`coracle run -it --rm ${BUSYBOX} sh -c "${script.replaceAll("$", "\\$")}"`);
      await terminal.until(/^up-2$/m);
      await terminal.untilMode(...RAW);
      process.kill(await terminal.child(), "SIGTERM");
      await terminal.until(/^got-2$/m);
      await terminal.untilMode(...COOKED);
      terminal.line("echo status-$?");
      await terminal.until(/status-5$/m);

      terminal.line(`coracle run -it --sig-proxy=false --name stays ${BUSYBOX} sleep 1000`);
      await terminal.untilMode(...RAW);
      process.kill(await terminal.child(), "SIGTERM");
      await terminal.untilMode(...COOKED);
      terminal.line("echo status-$?");
      await terminal.until(/status-143$/m);
      assert.equal(store.ok(["ps", "--format", "{{.Names}}"]), "stays");
    });
  }),
);

test(
  "a program with --rm that ends when its terminal is hung up leaves nothing",
  { skip },
  withStore(async (store) => {
    store.importBusybox();
    await withTerminal(store, async (terminal) => {
      const script = "trap 'exit 7' HUP; echo up-$((1+1)); while :; do sleep 0.1; done";
      terminal.line(`coracle run -it --rm ${BUSYBOX} sh -c "${script.replaceAll("$", "\\$")}"`);
      await terminal.until(/^up-2$/m);
      await terminal.untilMode(...RAW);
      terminal.hangUp();
      await untilNone(store);
    });
  }),
);

test(
  "in the background: run -it is stopped until it is in front, run goes on",
  { skip: skip || skipUnless({ programs: ["bash"] }) },
  withStore(async (store) => {
    store.importBusybox();
    await withTerminal(store, async (terminal) => {
      terminal.line("PS1='host> ' bash --norc --noprofile");
      await terminal.until(/host>$/);
      terminal.line(`coracle run -it --rm ${BUSYBOX} sh &`);
      await terminal.until(/^\[1\] \d+$/m);
      const deadline = performance.now() + 20_000;
      // bash tells of it at the next prompt.
      for (;;) {
        terminal.line("clear; jobs; echo looked-$((1+1))");
        if (/Stopped/.test(await terminal.until(/^looked-2$/m))) break;
        assert.ok(performance.now() < deadline, "it was not stopped");
        await sleep(50);
      }
      terminal.line("clear; fg");
      await terminal.until(/^\/ #$/m);
      terminal.line("exit 6");
      await terminal.until(/host>$/);
      terminal.line("echo status-$?");
      await terminal.until(/status-6$/m);
      terminal.line(`clear; coracle run --rm ${BUSYBOX} sh -c 'echo out-$((2+2))' &`);
      await terminal.until(/out-4/);
    });
  }),
);
