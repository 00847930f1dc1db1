/** A driver file written in TypeScript, loaded by the compiled executable: docs/example_layer_driver.ts. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PROJECT } from "../../tools/command.ts";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, busyboxTar, type Store, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["crun", "conmon"] });
const EXAMPLE = readFileSync(join(PROJECT, "docs/example_layer_driver.ts"), "utf8");

interface Plugin {
  readonly path: string;
  /** Global flags with a configuration that names the plugin and uses it, and a store of its own. */
  readonly flags: readonly string[];
}

/** Beside the test's own store, which has to be readable without the plugin at the end. */
const ownStore = ({ folder }: Store) => [
  ...["--root", join(folder, "plain-root")],
  ...["--runroot", join(folder, "plain-run")],
];

/** Writes the plugin and its configuration into a folder of its own beside the store. */
function install(
  store: Store,
  options: { readonly content?: string; readonly sha256?: string; readonly more?: string } = {},
): Plugin {
  const folder = join(store.folder, "plugin, with #odd% name");
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const path = join(folder, "plain.ts");
  const content = options.content ?? EXAMPLE;
  writeFileSync(path, content, { mode: 0o644 });
  const sha256 = options.sha256 ?? createHash("sha256").update(content).digest("hex");
  const config = join(store.folder, "plugin.toml");
  const lines = ["[layer]", 'driver = "plain"', options.more ?? ""];
  const plugin = ["[[plugin]]", `path = ${JSON.stringify(path)}`, `sha256 = "${sha256}"`];
  writeFileSync(config, [...lines, ...plugin, ""].join("\n"));
  return { path, flags: [...ownStore(store), "--config", config] };
}

interface Listed {
  readonly kind: string;
  readonly name: string;
  readonly usable: boolean;
  readonly reason: string;
  readonly inUse: boolean;
  readonly source: string;
}

test(
  "a plugin keeps images and containers, is listed, and is the store's driver from then on",
  { skip },
  withStore((store) => {
    const { path, flags } = install(store, { more: '[layer.plain]\nnote = "noted"' });
    const ok = (...words: string[]) => store.ok([...flags, ...words]);
    ok("import", busyboxTar(), BUSYBOX);
    assert.equal(ok("run", "--rm", BUSYBOX, "echo", "hi"), "hi");
    ok("run", "--name", "box", BUSYBOX, "sh", "-c", "echo kept > /file; rm /bin/ls");
    assert.equal(ok("run", "--rm", BUSYBOX, "ls", "-d", "/bin"), "/bin");
    ok("start", "box");
    assert.equal(ok("wait", "box"), "1", "rm of what is gone: the writable layer was kept");
    const listed: Listed[] = JSON.parse(ok("drivers", "--format", "json"));
    const own = listed.find(({ name }) => name === "plain");
    const { kind, usable, reason, inUse, source } = own ?? assert.fail("it is not listed");
    assert.deepEqual({ kind, usable, reason, inUse, source }, {
      kind: "layer",
      usable: true,
      reason: "copies; noted",
      inUse: true,
      source: path,
    });
    assert.deepEqual(
      listed.filter((driver) => driver.kind === "layer" && driver.inUse).map(({ name }) => name),
      ["plain"],
    );
    // What was made with it cannot be read by another one, and without its file by none.
    const other = store.coracle([...flags, "--layer-driver", "overlay", "create", BUSYBOX, "true"]);
    assert.equal(other.status, 125);
    assert.match(
      other.stderr,
      /the store "[^"]*" was made with "plain"\ntry: use "--layer-driver plain"/,
    );
    const gone = store.coracle([...ownStore(store), "create", BUSYBOX, "true"]);
    assert.equal(gone.status, 125);
    assert.match(gone.stderr, /"plain": the store was made with it.*\ntry: add its file again/);
    ok("rm", "box");
    ok("rmi", BUSYBOX);
    assert.equal(ok("images", "--quiet"), "");
  }),
);

test(
  "drivers check proves a plugin case by case and says what it does not keep",
  { skip },
  withStore((store) => {
    const check = ({ flags }: Plugin, ...words: string[]) =>
      store.coracle([...flags, "drivers", "check", "plain", ...words], { timeout: 180_000 });
    const all = check(install(store));
    assert.doesNotMatch(all.stdout, /^failed/m);
    assert.match(all.stdout, /^passed {3}an empty layer shows an empty root/m);
    assert.match(all.stdout, /\n\d\d passed, 0 failed, 4 skipped\n$/);
    assert.equal(all.status, 0);
    const content = EXAMPLE.replace(
      "verify({ id }, depth) {",
      "verify({ id }, depth) {\nreturn [];",
    );
    const broken = check(
      install(store, { content }),
      ...["--only", "verify finds nothing wrong", "--format", "json"],
    );
    assert.equal(broken.status, 1);
    const [result] = JSON.parse(broken.stdout) as { outcome: string; detail: string }[];
    assert.equal(result?.outcome, "failed");
    assert.match(result?.detail ?? "", /missing/);
  }),
);

test(
  "a plugin that others can write, that was changed, or that is for another coracle is refused",
  { skip },
  withStore((store) => {
    const refused = (plugin: Plugin, code: string, words: RegExp) => {
      const end = store.coracle(["--log-format", "json", ...plugin.flags, "import", busyboxTar()]);
      assert.equal(end.status, 125);
      const error = JSON.parse(end.stderr.trim().split("\n").at(-1) ?? "");
      assert.equal(error.code, code);
      assert.match(`${error.what}: ${error.why}`, words);
      assert.ok(error.what.includes(JSON.stringify(plugin.path)), error.what);
    };
    const writable = install(store);
    chmodSync(writable.path, 0o666);
    refused(writable, "denied", /others can write to/);
    chmodSync(writable.path, 0o644);
    const tampered = install(store, {
      content: `${EXAMPLE}\n// one line more\n`,
      sha256: createHash("sha256").update(EXAMPLE).digest("hex"),
    });
    refused(
      tampered,
      "corrupt",
      /its sha256 is [0-9a-f]{64}, the configuration wants [0-9a-f]{64}/,
    );
    const newer = install(store, { content: EXAMPLE.replace("api: 1,", "api: 2,") });
    refused(newer, "unsupported", /it is made for contract api 2, wanted 1/);
    const unreadable = install(store, { content: "export default {" });
    refused(unreadable, "unsupported", /it cannot be loaded/);
    const nothing = install(store, { content: "export const driver = 1;" });
    refused(nothing, "unsupported", /its default export is not a driver/);
    const option = install(store, { more: "[layer.plain]\nnot = 1" });
    const end = store.coracle([...option.flags, "import", busyboxTar()]);
    assert.match(end.stderr, /unknown key "layer.plain.not"\ntry: the key "layer.plain.note"/);
  }),
);
