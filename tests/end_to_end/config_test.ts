/** Configuration from files, environment and flags, and the drivers it chooses, on the executable. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { findProgram } from "../../tools/command.ts";
import { skipUnless } from "../skip_reason.ts";
import {
  BUSYBOX,
  busyboxTar,
  EXECUTABLE,
  type Outcome,
  type Store,
  withStore,
} from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["crun", "runc", "conmon", "bash", "setpriv"] });

interface Driver {
  readonly kind: string;
  readonly name: string;
  readonly usable: boolean;
  readonly reason: string;
  readonly inUse: boolean;
}

const driversOf = (store: Store, flags: readonly string[] = []): Driver[] =>
  JSON.parse(store.ok([...flags, "drivers", "--format", "json"]));

const inUse = (store: Store, flags: readonly string[] = []) =>
  driversOf(store, flags).filter((driver) => driver.inUse)
    .map(({ kind, name }) => `${kind} ${name}`);

const file = (store: Store, name: string, ...lines: string[]): string => {
  const path = join(store.folder, name);
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
};

test(
  "later wins: the user's file, --config, CORACLE_*, flags",
  { skip },
  withStore((store) => {
    const home = join(store.folder, "home");
    mkdirSync(join(home, "coracle"), { recursive: true });
    const roots = (name: string) => [
      `root = "${store.folder}/${name}"`,
      `runroot = "${store.folder}/${name}-run"`,
    ];
    writeFileSync(join(home, "coracle/coracle.toml"), roots("own").join("\n"));
    const named = file(store, "named.toml", ...roots("named"), "[runtime]", 'driver = "runc"');
    const none = { CORACLE_ROOT: undefined, CORACLE_RUNROOT: undefined, XDG_CONFIG_HOME: home };
    const root = (flags: string[], env: Record<string, string | undefined> = {}) =>
      store.ok([...flags, "info", "--format", "{{.Store.GraphRoot}} {{.Host.OCIRuntime.Name}}"], {
        env: { ...none, ...env },
      });
    const [first = "", chosen = ""] = root([]).split(" ");
    assert.equal(first, join(store.folder, "own"));
    assert.equal(root(["--config", named]), `${store.folder}/named runc`);
    assert.equal(root([], { CORACLE_CONFIG: named }), `${store.folder}/named runc`);
    assert.equal(
      root(["--config", named], { CORACLE_ROOT: `${store.folder}/env`, CORACLE_RUNTIME: "crun" }),
      `${store.folder}/env crun`,
    );
    assert.equal(
      root(["--root", "flag", "--runtime", "runc"], {
        CORACLE_ROOT: `${store.folder}/env`,
        CORACLE_RUNTIME: "crun",
      }),
      `${store.folder}/flag runc`,
      "a relative --root is relative to the working directory",
    );
    // An empty variable is none.
    assert.equal(root([], { CORACLE_ROOT: "", CORACLE_RUNTIME: "" }), `${first} ${chosen}`);
  }),
);

test(
  "the user's own file is refused when others can write it, and unknown keys name the nearest",
  { skip },
  withStore((store) => {
    const home = join(store.folder, "home");
    mkdirSync(join(home, "coracle"), { recursive: true });
    const own = join(home, "coracle/coracle.toml");
    writeFileSync(own, "");
    chmodSync(own, 0o666);
    const refused = store.coracle(["ps"], { env: { XDG_CONFIG_HOME: home } });
    assert.equal(refused.status, 125);
    assert.match(refused.stderr, /others can write to it\ntry: chown and chmod it/);
    const wrong = (...lines: string[]) =>
      store.coracle(["--config", file(store, "wrong.toml", ...lines), "ps"]).stderr;
    assert.match(wrong('rot = "/x"'), /unknown key "rot"\ntry: the key "root"/);
    assert.match(
      wrong("[layer]", "drivr = 1"),
      /unknown key "layer.drivr"\ntry: the key "layer.driver"/,
    );
    assert.match(
      wrong("[container]", 'pids_limit = "many"'),
      /"container.pids_limit" must be a number/,
    );
    assert.match(wrong("root = "), /line 1, column 8/);
  }),
);

test(
  "defaults of containers come from the configuration, and flags win",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const flags = [
      "--config",
      file(store, "c.toml", "[container]", "pids_limit = 77", "stop_timeout = 3"),
    ];
    const format = "{{.HostConfig.PidsLimit}} {{.Config.StopTimeout}}";
    store.ok([...flags, "create", "--name", "a", BUSYBOX, "true"]);
    assert.equal(store.ok(["inspect", "--format", format, "a"]), "77 3");
    const own = ["--pids-limit", "88", "--stop-timeout", "4"];
    store.ok([...flags, "create", "--name", "b", ...own, BUSYBOX, "true"]);
    assert.equal(store.ok(["inspect", "--format", format, "b"]), "88 4");
  }),
);

test(
  "drivers as JSON: kind, name, usable, reason and inUse of each, one in use of each kind",
  { skip },
  withStore((store) => {
    const drivers = driversOf(store);
    for (const { kind, name, usable, reason, inUse } of drivers) {
      assert.deepEqual(
        [kind, name, usable, reason, inUse].map((value) => typeof value),
        ["string", "string", "boolean", "string", "boolean"],
      );
      assert.notEqual(reason, "", `${kind} ${name} says nothing`);
    }
    assert.deepEqual([...new Set(drivers.map(({ kind }) => kind))], [
      "layer",
      "runtime",
      "monitor",
    ]);
    assert.deepEqual(
      inUse(store).map((text) => text.split(" ")[0]),
      ["layer", "runtime", "monitor"],
    );
    assert.ok(drivers.every((driver) => driver.usable || !driver.inUse));
  }),
);

test(
  "the layer driver is written into the store; another one is refused with what to do",
  { skip },
  withStore((store) => {
    store.ok(["--layer-driver", "copy", "import", busyboxTar(), BUSYBOX]);
    assert.equal(store.ok(["run", "--rm", BUSYBOX, "echo", "hi"]), "hi");
    assert.deepEqual(readdirSync(join(store.root, "layers")), ["copy"]);
    assert.equal(inUse(store)[0], "layer copy");
    const other = store.coracle(["create", BUSYBOX, "true"], {
      env: { CORACLE_STORAGE_DRIVER: "overlay" },
    });
    assert.equal(other.status, 125);
    assert.equal(
      other.stderr,
      `coracle: cannot use the layer driver "overlay": the store "${store.root}" was made with "copy"\n` +
        'try: use "--layer-driver copy", or another store with "--root DIR"\n',
    );
  }),
);

test(
  "--runtime and --monitor take a path; what does not answer or is not there is refused",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const link = (name: string, program: string) => {
      const path = join(store.folder, name);
      symlinkSync(realpathSync(findProgram(program) ?? assert.fail(program)), path);
      return path;
    };
    const run = (flag: string, path: string): Outcome =>
      store.coracle([flag, path, "run", "--rm", BUSYBOX, "echo", "hi"]);
    for (const name of ["crun", "runc"]) {
      assert.equal(run("--runtime", link(`my-${name}`, name)).stdout, "hi\n");
    }
    assert.equal(run("--monitor", link("my-conmon", "conmon")).stdout, "hi\n");
    assert.match(run("--runtime", "/nosuch").stderr, /cannot use "\/nosuch" as the runtime/);
    assert.match(run("--runtime", "/bin/false").stderr, /"\/bin\/false --version" did not answer/);
    // A container remembers the runtime that made it.
    const id = store.ok(["--runtime", join(store.folder, "my-runc"), "create", BUSYBOX, "true"]);
    assert.match(store.ok(["inspect", "--format", "{{.OCIRuntime}}", id]), /my-runc|runc/);
    assert.equal(store.coracle(["start", "--attach", id]).status, 0);
  }),
);

test(
  "two stores beside one another know nothing of each other",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const other = ["--root", join(store.folder, "r2"), "--runroot", join(store.folder, "u2")];
    store.ok([...other, "import", busyboxTar(), BUSYBOX]);
    store.ok(["run", "-d", "--name", "same", BUSYBOX, "sleep", "1000"]);
    store.ok([...other, "run", "-d", "--name", "same", BUSYBOX, "sleep", "1000"]);
    store.ok([...other, "rm", "-f", "-t", "0", "same"]);
    assert.equal(store.ok(["ps", "--format", "{{.Names}}"]), "same");
    assert.equal(store.ok([...other, "ps", "-aq"]), "");
  }),
);

for (const runtime of ["crun", "runc"]) {
  test(
    `a store in a folder with blanks, colons, quotes and letters of others works, with ${runtime}`,
    { skip },
    withStore((store) => {
      const odd = join(store.folder, "odd: \"ü,'x=%\\n#");
      const flags = ["--runtime", runtime, "--root", `${odd}/r`, "--runroot", `${odd}/u`];
      const ok = (...words: string[]) => store.ok([...flags, ...words]);
      ok("import", busyboxTar(), BUSYBOX);
      ok("run", "-d", "--name", "box", BUSYBOX, "sh", "-c", "echo logged; exec sleep 1000");
      assert.equal(ok("exec", "box", "echo", "hi"), "hi");
      assert.equal(ok("logs", "box"), "logged");
      const missing = store.coracle([...flags, "run", "--rm", BUSYBOX, "nope"]);
      assert.equal(missing.status, 127);
      assert.match(missing.stderr, /nope.*: OCI runtime attempted to invoke a command/);
      ok("rm", "-f", "-t", "0", "box");
    }),
  );
}

test(
  "doctor is content here; with nothing in PATH and no root it names what is missing and what to do",
  { skip },
  withStore((store) => {
    const well = store.coracle(["doctor"]);
    assert.equal(well.status, 0, well.stdout);
    // Names of programs that are nowhere, because the usual folders are searched without PATH too.
    const nowhere = file(
      store,
      "nowhere.toml",
      ...["[runtime.crun]", 'path = "/nosuch/crun"', "[runtime.runc]", 'path = "/nosuch/runc"'],
      ...["[monitor.conmon]", 'path = "/nosuch/conmon"'],
    );
    const ill = store.coracle(["--config", nowhere, "doctor"], { env: { PATH: "" } });
    assert.equal(ill.status, 1);
    assert.match(
      ill.stdout,
      /^MISSING {2}runtime driver .*\n +try: install the package crun or runc$/m,
    );
    assert.match(ill.stdout, /^MISSING {2}monitor driver .*\n +try: install the package conmon$/m);
    const run = store.coracle(["--config", nowhere, "run", "x", "true"], { env: { PATH: "" } });
    assert.equal(run.status, 125);
    assert.match(
      run.stderr,
      /^coracle: cannot find a usable runtime driver: .*\ntry: coracle doctor\n$/,
    );
    const findings = JSON.parse(
      store.coracle(["--config", nowhere, "doctor", "--format", "json"]).stdout,
    );
    for (const { name, met, mandatory, remedy } of findings) {
      assert.deepEqual([typeof name, typeof met, typeof mandatory], [
        "string",
        "boolean",
        "boolean",
      ]);
      assert.equal(remedy === "", met, `${name} says ${JSON.stringify(remedy)}`);
    }
  }),
);

test(
  "an ordinary user is told what to do, by doctor too",
  { skip },
  withStore((store) => {
    // A copy, because the executable may be in a folder that only root can enter.
    chmodSync(store.folder, 0o755);
    const copy = join(store.folder, "coracle");
    copyFileSync(EXECUTABLE, copy);
    const secret = join(store.folder, "secret");
    mkdirSync(secret, { mode: 0o700 });
    const nobody = (...words: string[]) => {
      const user = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
      const end = spawnSync("setpriv", [...user, copy, ...words], {
        cwd: "/",
        encoding: "utf8",
        // A folder of PATH that is root's alone is passed over.
        env: { PATH: `${secret}:${process.env.PATH}`, HOME: "/", XDG_RUNTIME_DIR: secret },
      });
      return { status: end.status, stdout: end.stdout, stderr: end.stderr };
    };
    const doctor = nobody("doctor");
    assert.equal(doctor.status, 1, doctor.stderr);
    assert.match(
      doctor.stdout,
      /^MISSING {2}root +runs as an ordinary user\n +try: run coracle as root/,
    );
    const ps = nobody("ps");
    assert.equal(ps.status, 125);
    assert.match(ps.stderr, /^coracle: cannot .*: permission denied\ntry: run coracle as root/);
    assert.equal(nobody("--version").status, 0);
  }),
);

test(
  "a read-only or full file system under the store is told as such, and nothing is lost",
  { skip },
  withStore((store) => {
    const disk = join(store.folder, "disk");
    mkdirSync(disk);
    const mount = (...words: string[]) => {
      const end = spawnSync("mount", words, { encoding: "utf8" });
      assert.equal(end.status, 0, end.stderr);
    };
    mount("-t", "tmpfs", "-o", "size=16m", "none", disk);
    try {
      const flags = ["--root", `${disk}/r`];
      const coracle = (...words: string[]) => store.coracle([...flags, ...words]);
      store.ok([...flags, "import", busyboxTar(), BUSYBOX]);
      store.ok([...flags, "create", "--name", "kept", BUSYBOX, "true"]);
      writeFileSync(`${disk}/big`, Buffer.alloc(4_000_000));
      const names = (): string[] =>
        coracle("images", "--quiet").stdout.concat(coracle("ps", "-aq").stdout).split("\n");
      const before = names();
      mount("-o", "remount,ro", disk);
      for (const words of [["rm", "kept"], ["tag", BUSYBOX, "other"], ["rename", "kept", "x"]]) {
        const { status, stderr } = coracle(...words);
        assert.deepEqual([words[0], status], [words[0], 125]);
        assert.match(
          stderr,
          /^coracle: cannot .*(readonly database|read-only file system)\n(try: .*\n)?$/,
        );
      }
      const doctor = coracle("doctor");
      assert.equal(doctor.status, 1);
      assert.match(doctor.stdout, /^MISSING {2}store .*mounted ro\n +try: mount .* without ro/m);
      assert.equal(coracle("info").status, 0);
      assert.deepEqual(names(), before);
      mount("-o", "remount,rw", disk);
      const fill = ["sh", "-c", "cat /dev/zero > /x"];
      const filled = coracle("run", "--name", "filler", BUSYBOX, ...fill);
      assert.equal(filled.status, 1, filled.stderr);
      assert.match(filled.stderr, /^cat: write error: No space left on device\n$/);
      for (const words of [["run", BUSYBOX, ...fill], ["import", busyboxTar(), "more"]]) {
        const { status, stderr } = coracle(...words);
        assert.deepEqual([words[0], status], [words[0], 125]);
        assert.match(stderr, /^coracle: cannot .*(no space left on device|disk is full)/);
      }
      assert.equal(coracle("ps", "--all", "--format", "{{.Names}}").stdout, "kept\nfiller\n");
      // What filled the disk can be removed although it is full.
      assert.equal(coracle("rm", "filler").status, 0);
      assert.equal(coracle("run", "--rm", BUSYBOX, "echo", "room").stdout, "room\n");
      assert.equal(coracle("rm", "kept").status, 0);
    } finally {
      spawnSync("umount", [disk]);
    }
  }),
);
