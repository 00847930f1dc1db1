import { test } from "node:test";
import assert from "node:assert/strict";
import { PROXIED_SIGNALS, proxySignals } from "../../../core/container/signal_proxy.ts";

const wait = () => new Promise((resolve) => setTimeout(resolve, 50));

test("signals that are meant for this process are not passed on", () => {
  for (const own of ["KILL", "STOP", "CHLD", "PIPE", "URG", "WINCH", "TTIN", "TTOU", "SEGV"]) {
    assert.ok(!(PROXIED_SIGNALS as readonly string[]).includes(own), own);
  }
});

test("a signal is passed on by its number until the proxy ends", async () => {
  const passed: number[] = [];
  const end = proxySignals((signal) => passed.push(signal));
  process.kill(process.pid, "SIGHUP");
  await wait();
  process.kill(process.pid, "SIGTERM");
  await wait();
  end();
  assert.deepEqual(passed, [1, 15]);
  assert.equal(process.listenerCount("SIGHUP"), 0);
  assert.equal(process.listenerCount("SIGTERM"), 0);
});
