/** The same source run by Deno and by Bun does what the compiled executable does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, busyboxTar, type Way, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["crun", "conmon"] });
const WAYS: readonly Way[] = ["compiled", "deno", "bun"];

for (const way of WAYS) {
  test(
    `import, run, exec, logs, inspect, save, load and rm, ${way}`,
    { skip },
    withStore((store) => {
      const ok = (...words: string[]) => store.ok(words, { way });
      const id = ok("import", busyboxTar(), BUSYBOX);
      assert.match(id, /^sha256:[0-9a-f]{64}$/);
      assert.equal(ok("run", "--rm", BUSYBOX, "echo", "hi"), "hi");
      const echoed = store.coracle(["run", "-i", "--rm", BUSYBOX, "sh", "-c", "cat; exit 7"], {
        way,
        input: "typed\n",
      });
      assert.deepEqual([echoed.stdout, echoed.status], ["typed\n", 7]);
      // Where Deno is run by npx, that may have something to say.
      assert.doesNotMatch(echoed.stderr, /coracle/);
      assert.equal(store.coracle(["run", "--rm", BUSYBOX, "nope"], { way }).status, 127);
      ok("run", "-d", "--name", "box", BUSYBOX, "sh", "-c", "echo logged; exec sleep 1000");
      assert.equal(ok("exec", "box", "cat", "/proc/1/comm"), "sleep");
      assert.equal(ok("logs", "box"), "logged");
      assert.equal(ok("inspect", "--format", "{{.State.Status}}", "box"), "running");
      assert.equal(ok("ps", "--format", "{{.Names}} {{.Command}}").split(" ")[0], "box");
      assert.equal(ok("stop", "-t", "0", "box"), "box");
      assert.equal(ok("wait", "box"), "137");
      assert.equal(ok("rm", "box"), "box");
      ok("save", "-o", "image.tar", BUSYBOX);
      ok("rmi", BUSYBOX);
      assert.match(ok("load", "-i", "image.tar"), /Loaded image: localhost\/busybox:latest/);
      assert.equal(ok("images", "--no-trunc", "--quiet"), id);
      const wrong = store.coracle(["rm", "box"], { way });
      assert.equal(wrong.status, 1);
      assert.match(
        wrong.stderr,
        /^coracle: cannot find container "box": .*no such container\ntry: /m,
      );
    }),
  );
}

test(
  "what one of them made, the others use",
  { skip },
  withStore((store) => {
    store.ok(["import", busyboxTar(), BUSYBOX], { way: "deno" });
    store.ok(["run", "-d", "--name", "box", BUSYBOX, "sleep", "1000"], { way: "bun" });
    assert.equal(store.ok(["exec", "box", "echo", "hi"]), "hi");
    store.ok(["rm", "-f", "-t", "0", "box"], { way: "deno" });
    // Its end is cleaned up by the program that started it.
    store.ok(["run", "-d", "--rm", "--name", "short", BUSYBOX, "true"], { way: "bun" });
    store.coracle(["wait", "short"]);
  }),
);
