/** The monitor lives on when the process that made the container is killed. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { readText, removeFile, writeAtomic } from "../../../core/sys/files.ts";
import { waitForFile } from "../../../core/sys/inotify.ts";
import { waitGone } from "../../../core/sys/process.ts";
import { spawnChild, waitChild } from "../../../core/sys/spawn.ts";
import { driver as runc } from "../../../drivers/runtime/runc.ts";
import { driver as crun } from "../../../drivers/runtime/crun.ts";
import { skipContainers } from "../../core/container/monitored_container.ts";

const script = "while ! test -e /out/go; do sleep 0.02; done; seq 1 1000; exit 42";

test(
  "log and exit status are whole though the caller was killed",
  { skip: skipContainers() },
  () => {
    const folder = mkdtempSync("/tmp/survival-");
    const report = `${folder}/report`;
    const program = new URL("./create_and_sleep.ts", import.meta.url).pathname;
    const flags = "Deno" in globalThis ? ["-A", "--no-check"] : [];
    const caller = spawnChild([process.execPath, "run", ...flags, program, report, script], {
      stdin: "ignore",
    });
    let base = "";
    try {
      assert.equal(waitForFile(report, { timeoutMs: 10_000 }), "there");
      const made = JSON.parse(readText(report)) as Record<string, string> & { monitorPid: number };
      base = made.base!;
      process.kill(caller, "SIGKILL");
      waitChild(caller);
      writeAtomic(`${base}/out/go`, "");
      assert.equal(waitForFile(made.exitFile!, { timeoutMs: 10_000 }), "there");
      assert.equal(readText(made.exitFile!), "42");
      assert.match(readText(made.log!), / stdout F 1000\n$/);
      assert.equal(readText(made.log!).split("\n").length, 1001);
      assert.ok(waitGone(made.monitorPid, 5_000));
      const place = { root: base, runroot: base, options: {} };
      for (const driver of [crun, runc]) {
        if (driver.probe(place).usable) driver.open(place).remove(made.id!, { force: true });
      }
    } finally {
      removeFile(report);
      if (base !== "") rmSync(base, { recursive: true, force: true });
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
