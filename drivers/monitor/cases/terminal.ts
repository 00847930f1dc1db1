/** Conformance cases: containers with a terminal. */
import { match, ok, strictEqual as equal } from "node:assert/strict";
import type { Case } from "../conformance.ts";
import { attachClient } from "./attach_client.ts";

export const TERMINAL_CASES: readonly Case[] = [
  {
    name: "all three streams are one terminal, whose output is stdout with CR LF",
    run({ spec, create, runtime, exitOf }) {
      const one = spec("test -t 0 && test -t 1 && test -t 2 && echo yes; exit 3", {
        terminal: true,
        stdin: true,
      });
      create(one);
      const client = attachClient(one.dir);
      runtime.start(one.id);
      equal(client.readAll().stdout, "yes\r\n");
      client.close();
      equal(exitOf(one), "3");
    },
  },
  {
    name: "the size set before the start arrives, and a later one too",
    run({ spec, create, runtime, monitor }) {
      const script = `trap 'stty size' WINCH; stty size; while :; do sleep 0.02; done`;
      const one = spec(script, { terminal: true, stdin: true });
      create(one);
      const client = attachClient(one.dir);
      monitor.resize(one.dir, { rows: 33, columns: 101 });
      runtime.start(one.id);
      // Two sizes at once may become one (see the contract): the second waits for the first.
      client.readUntil(/33 101\r\n/);
      monitor.resize(one.dir, { rows: 40, columns: 120 });
      match(client.readUntil(/40 120\r\n/).stdout, /33 101\r\n(.*\r\n)*40 120\r\n/);
      client.close();
    },
  },
  {
    name: "keys are echoed, and ctrl-c interrupts",
    run({ spec, create, runtime, exitOf }) {
      const one = spec(
        "trap 'echo interrupted; exit 5' INT; echo ready; while :; do sleep 0.02; done",
        {
          terminal: true,
          stdin: true,
        },
      );
      create(one);
      const client = attachClient(one.dir);
      runtime.start(one.id);
      client.readUntil(/ready/);
      client.send("typed");
      client.readUntil(/typed/);
      client.send("\x03");
      match(client.readAll().stdout, /typed\^C.*interrupted\r\n/s);
      client.close();
      equal(exitOf(one), "5");
    },
  },
  {
    name: "a terminal survives that its client leaves, and takes the next one",
    run({ spec, create, runtime }) {
      const one = spec("read a; echo first=$a; read b; echo second=$b", {
        terminal: true,
        stdin: true,
      });
      create(one);
      runtime.start(one.id);
      const first = attachClient(one.dir);
      first.send("1\n");
      first.readUntil(/first=1\r\n/);
      first.close();
      const second = attachClient(one.dir);
      second.send("2\n");
      ok(second.readAll().stdout.endsWith("second=2\r\n"));
      second.close();
    },
  },
];
