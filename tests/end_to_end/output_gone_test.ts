/** Readers that leave, disks that are full, input that cannot be read: what becomes of coracle and the container. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, EXECUTABLE, type Store, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["bash", "crun", "conmon"] });

/** Runs a line of bash in which `coracle` is the executable; gives what it wrote to both streams. */
function bash(store: Store, line: string): string {
  const { stdout, stderr } = spawnSync("bash", ["-c", `coracle() { "$CORACLE" "$@"; }; ${line}`], {
    cwd: store.folder,
    encoding: "utf8",
    timeout: 60_000,
    env: {
      ...process.env,
      CORACLE: EXECUTABLE,
      CORACLE_ROOT: store.root,
      CORACLE_RUNROOT: store.runroot,
    },
  });
  return stdout + stderr;
}

async function untilNone(store: Store): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (store.ok(["ps", "-aq"]) !== "") {
    assert.ok(performance.now() < deadline, store.ok(["ps", "-a"]));
    await sleep(50);
  }
}

test(
  "a reader that leaves ends coracle without a word, with the status of SIGPIPE",
  { skip },
  withStore(async (store) => {
    store.importBusybox();
    const status = "; echo ${PIPESTATUS[0]}";
    assert.equal(
      bash(store, `coracle run --rm ${BUSYBOX} seq 1 100000 | head -1${status}`),
      "1\n141\n",
    );
    await untilNone(store);
    assert.equal(bash(store, `coracle save ${BUSYBOX} | head -c 8${status}`), "manifest141\n");
    store.ok(["run", "-d", "--name", "box", BUSYBOX, "sh", "-c", "seq 1 100000; sleep 1000"]);
    assert.equal(bash(store, `coracle exec box yes | head -1${status}`), "y\n141\n");
    assert.equal(bash(store, `coracle logs -f box | head -1${status}`), "1\n141\n");
  }),
);

test(
  "a container whose reader has left goes on, and goes away at its end",
  { skip },
  withStore(async (store) => {
    store.importBusybox();
    bash(store, `coracle run --rm --name endless ${BUSYBOX} yes | head -1`);
    assert.equal(store.ok(["ps", "--format", "{{.Names}}"]), "endless");
    store.ok(["kill", "endless"]);
    await untilNone(store);
  }),
);

test(
  "a full disk behind standard output is an error, and leaves nothing half-made",
  { skip },
  withStore(async (store) => {
    store.importBusybox();
    const full = /^coracle: cannot write "\/dev\/full": no space left on device\n125\n$/;
    for (
      const line of [
        "coracle ps",
        `coracle save ${BUSYBOX}`,
        `coracle run --rm ${BUSYBOX} echo hello`,
      ]
    ) assert.match(bash(store, `${line} 2>&1 >/dev/full; echo $?`), full, line);
    await untilNone(store);
    store.ok(["run", "-d", "--name", "box", BUSYBOX, "sleep", "1000"]);
    assert.match(bash(store, "coracle exec box echo hello 2>&1 >/dev/full; echo $?"), full);
    assert.equal(store.ok(["exec", "box", "echo", "again"]), "again");
  }),
);

test(
  "closed standard streams are no error",
  { skip },
  withStore((store) => {
    store.importBusybox();
    assert.equal(bash(store, "coracle ps >&-; echo $?"), "0\n");
    assert.equal(bash(store, `coracle run --rm ${BUSYBOX} true <&- >&- 2>&-; echo $?`), "0\n");
    assert.equal(bash(store, `coracle run -i --rm ${BUSYBOX} cat <&-; echo $?`), "0\n");
    assert.equal(bash(store, "coracle ps --nope 2>&-; echo $?"), "125\n");
  }),
);

test(
  "input that cannot be read ends the container's input, and the container with it",
  { skip },
  withStore(async (store) => {
    store.importBusybox();
    writeFileSync(join(store.folder, "unreadable"), "");
    for (const input of ["0>unreadable", "</"]) {
      const said = bash(store, `coracle run -i --rm ${BUSYBOX} cat ${input}; echo $?`);
      assert.match(said, /^125\ncoracle: cannot read "[^"]*": [a-z ]+\n$/, input);
      await untilNone(store);
    }
  }),
);

test(
  "much input goes in as fast as it is taken, and may be left over",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const input = "head -c 20000000 /dev/zero";
    assert.equal(bash(store, `${input} | coracle run -i --rm ${BUSYBOX} wc -c`), "20000000\n");
    assert.equal(
      bash(store, `${input} | coracle run -i --rm ${BUSYBOX} head -c 5 | wc -c`),
      "5\n",
    );
    assert.equal(
      bash(store, `coracle run --rm ${BUSYBOX} seq 1 100000 | (sleep 0.5; md5sum)`),
      bash(store, "seq 1 100000 | md5sum"),
    );
  }),
);
