/** Conformance cases: clients of the attach socket. */
import { deepStrictEqual as same, ok, strictEqual as equal } from "node:assert/strict";
import { makeDirs } from "../../../core/sys/files.ts";
import type { Case } from "../conformance.ts";
import { attachClient } from "./attach_client.ts";
import { whole } from "./log.ts";

export const ATTACH_CASES: readonly Case[] = [
  {
    name: "a client that comes before the start gets all output, streams apart, then the end",
    run({ spec, create, runtime, exitOf }) {
      const one = spec("echo out; echo err >&2; echo more");
      create(one);
      const client = attachClient(one.dir);
      runtime.start(one.id);
      same(client.readAll(), { stdout: "out\nmore\n", stderr: "err\n" });
      client.close();
      equal(exitOf(one), "0");
    },
  },
  {
    name: "a client that reads slowly loses nothing: the container waits for it",
    run({ spec, create, runtime, exitOf, log }) {
      const one = spec("seq 1 100000");
      create(one);
      const client = attachClient(one.dir);
      runtime.start(one.id);
      const { stdout } = client.readAll();
      client.close();
      equal(stdout.length, 588_895);
      ok(stdout.endsWith("\n99999\n100000\n"));
      exitOf(one);
      equal(whole(log(one), "stdout").length, 100_000);
    },
  },
  {
    name: "two clients get the same",
    run({ spec, create, runtime }) {
      const one = spec("seq 1 1000");
      create(one);
      const clients = [attachClient(one.dir), attachClient(one.dir)];
      runtime.start(one.id);
      const [first, second] = clients.map((client) => client.readAll());
      for (const client of clients) client.close();
      same(first, second);
      ok(first?.stdout.endsWith("\n1000\n"));
    },
  },
  {
    name: "a client that leaves disturbs neither the container nor the others",
    run({ spec, create, runtime, told, exitOf, out }) {
      const one = spec(`for i in 1 2 3 4 5; do echo $i; sleep 0.03; done; touch /out/done; exit 9`);
      create(one);
      const [staying, leaving] = [attachClient(one.dir), attachClient(one.dir)];
      runtime.start(one.id);
      leaving.readUntil(/1\n/);
      leaving.close();
      equal(staying.readAll().stdout, "1\n2\n3\n4\n5\n");
      staying.close();
      told("done");
      equal(exitOf(one), "9");
      ok(out !== "");
    },
  },
  {
    name: "input reaches the container, and a half-close ends its input but not its output",
    run({ spec, create, runtime, exitOf }) {
      const one = spec("wc -c; sleep 0.1; echo late", { stdin: true });
      create(one);
      const client = attachClient(one.dir);
      runtime.start(one.id);
      const piece = "x".repeat(10_000);
      for (let i = 0; i < 30; i++) client.send(piece);
      client.end();
      equal(client.readAll().stdout.replaceAll(" ", ""), "300000\nlate\n");
      client.close();
      equal(exitOf(one), "0");
    },
  },
  {
    name: "with leaveStdinOpen the next client goes on where the last one left",
    run({ spec, create, runtime }) {
      const one = spec("read a; echo got $a; read b; echo got $b", {
        stdin: true,
        leaveStdinOpen: true,
      });
      create(one);
      runtime.start(one.id);
      const first = attachClient(one.dir);
      first.send("one\n");
      first.readUntil(/got one\n/);
      first.close();
      const second = attachClient(one.dir);
      second.send("two\n");
      ok(second.readAll().stdout.endsWith("got two\n"));
      second.close();
    },
  },
  {
    name: "without stdin the container reads the end at once",
    run({ spec, run, log }) {
      const one = spec("cat; echo end");
      equal(run(one), "0");
      same(log(one).map(({ text }) => text), ["end"]);
    },
  },
  {
    name: "the directory may have a path too long for a socket address",
    run({ spec, create, runtime, out }) {
      const dir = `${out}/${"long-name-".repeat(12)}/${"x".repeat(100)}`;
      makeDirs(dir);
      const one = spec("echo far", { dir });
      create(one);
      const client = attachClient(dir);
      runtime.start(one.id);
      equal(client.readAll().stdout, "far\n");
      client.close();
    },
  },
];
