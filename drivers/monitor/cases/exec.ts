/** Conformance cases: further processes in a running container. */
import { deepStrictEqual as same, match, ok, strictEqual as equal } from "node:assert/strict";
import { readTextOrNull } from "../../../core/sys/files.ts";
import { waitForFile } from "../../../core/sys/inotify.ts";
import { processStart } from "../../../core/sys/process.ts";
import type { Case, Fixture } from "../conformance.ts";
import type { ExecSpec, MonitorSpec } from "../driver.ts";
import { type AttachClient, attachClient } from "./attach_client.ts";
import { expectCode } from "./exit.ts";

const FOREVER = "while :; do sleep 1000; done";
const never = () => {
  throw new Error("attached was called");
};

export const EXEC_CASES: readonly Case[] = [
  {
    name: "exec: the exit status is in the session's directory, the container goes on",
    run(fixture) {
      const one = living(fixture);
      for (const status of [0, 3, 255]) {
        const session = fixture.execSpec(one, ["/bin/sh", "-c", `exit ${status}`]);
        fixture.monitor.exec(session, fixture.runtime, never);
        equal(exitOf(session), `${status}`);
      }
      equal(fixture.runtime.state(one.id).state, "running");
    },
  },
  {
    name: "exec: both pids are told, and the process is in the container",
    run(fixture) {
      const one = living(fixture);
      const session = fixture.execSpec(one, ["/bin/sh", "-c", FOREVER]);
      const { pid, monitorPid } = fixture.monitor.exec(session, fixture.runtime, never);
      ok(processStart(pid) !== null && processStart(monitorPid) !== null);
      ok(fixture.runtime.processes(one.id).includes(pid));
    },
  },
  {
    name: "exec: who attaches before the process runs gets all its output, streams apart",
    run(fixture) {
      const one = living(fixture);
      const session = fixture.execSpec(one, ["/bin/sh", "-c", "seq 1 20000; echo err >&2"], {
        attach: true,
      });
      const client = attached(fixture, session);
      const { stdout, stderr } = client.readAll();
      client.close();
      ok(stdout.startsWith("1\n2\n") && stdout.endsWith("\n20000\n"));
      equal(stderr, "err\n");
      equal(exitOf(session), "0");
      same(fixture.log(one), [], "it went into the container's log");
    },
  },
  {
    name: "exec: input and its half-close",
    run(fixture) {
      const session = fixture.execSpec(living(fixture), ["cat"], { attach: true, stdin: true });
      const client = attached(fixture, session);
      client.send("hello\n");
      client.end();
      equal(client.readAll().stdout, "hello\n");
      client.close();
      equal(exitOf(session), "0");
    },
  },
  {
    name: "exec: a terminal of its own, with its own size",
    run(fixture) {
      const session = fixture.execSpec(
        living(fixture),
        ["/bin/sh", "-c", "tty; read x; stty size"],
        {
          attach: true,
          stdin: true,
          terminal: true,
        },
      );
      const client = attached(fixture, session);
      match(client.readUntil(/\r\n/).stdout, /^\/dev\//);
      fixture.monitor.resize(session.dir, { rows: 21, columns: 77 });
      client.send("\n");
      // The size goes another way than the key and may come after it: what counts is that it comes.
      match(client.readAll().stdout, /\d+ \d+\r\n$/);
      client.close();
    },
  },
  {
    name: "exec: a command that is not there is 127, attached or not, with or without terminal",
    run(fixture) {
      const one = living(fixture);
      for (const attach of [false, true]) {
        for (const terminal of [false, true]) {
          const session = fixture.execSpec(one, ["no-such"], { attach, terminal, stdin: attach });
          const clients: AttachClient[] = [];
          const onAttach = () => void clients.push(attachClient(session.dir));
          const error = expectCode(
            "notcommand",
            () => fixture.monitor.exec(session, fixture.runtime, onAttach),
          );
          equal(error.exitStatus, 127);
          for (const client of clients) client.close();
        }
      }
    },
  },
  {
    name: "exec: when the attacher fails, the process does not run",
    run(fixture) {
      const one = living(fixture);
      const session = fixture.execSpec(one, ["touch", "/out/ran"], { attach: true });
      let isThrown = false;
      try {
        fixture.monitor.exec(session, fixture.runtime, () => {
          throw new Error("no client");
        });
      } catch (error) {
        isThrown = (error as Error).message === "no client";
      }
      ok(isThrown);
      equal(waitForFile(`${fixture.out}/ran`, { timeoutMs: 100 }), "timeout");
    },
  },
  {
    name: "exec: into a container that has ended fails",
    run(fixture) {
      const one = fixture.spec("exit 0");
      fixture.run(one);
      const session = fixture.execSpec(one, ["true"]);
      expectCode("failed", () => fixture.monitor.exec(session, fixture.runtime, never));
    },
  },
];

/** A running container. */
function living({ spec, start }: Fixture): MonitorSpec {
  const one = spec(FOREVER);
  start(one);
  return one;
}

function attached({ monitor, runtime }: Fixture, session: ExecSpec): AttachClient {
  const clients: AttachClient[] = [];
  monitor.exec(session, runtime, () => void clients.push(attachClient(session.dir)));
  equal(clients.length, 1);
  return clients[0]!;
}

function exitOf(session: ExecSpec): string {
  equal(waitForFile(`${session.dir}/exit`, { timeoutMs: 4_000 }), "there");
  return (readTextOrNull(`${session.dir}/exit`) ?? "").trim();
}
