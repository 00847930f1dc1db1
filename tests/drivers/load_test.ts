/** Choosing, checking and loading drivers: names, paths, `auto`, the store's record, plugin files. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { CoracleError, type ErrorCode } from "../../core/errors.ts";
import { findProgram } from "../../core/sys/spawn.ts";
import { checkDriver, type DriverConfig, findDriver, listDrivers } from "../../drivers/load.ts";
import { skipUnless } from "../skip_reason.ts";

const folder = mkdtempSync(join(tmpdir(), "commands-drivers-"));
after(() => rmSync(folder, { recursive: true }));
let count = 0;

function config(part: Partial<DriverConfig> = {}): DriverConfig {
  const base = join(folder, `store-${count++}`);
  const auto = { driver: "auto", options: {} };
  return {
    root: `${base}/root`,
    runroot: `${base}/run`,
    plugins: [],
    layer: auto,
    runtime: auto,
    monitor: auto,
    ...part,
  };
}

const choose = (driver: string, options = {}) => ({ driver, options });

async function refusal(work: Promise<unknown>, code: ErrorCode): Promise<CoracleError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof CoracleError, String(error));
    assert.equal(error.code, code, error.message);
    return error;
  }
  throw new Error("nothing was refused");
}

/** A layer driver in TypeScript that imports nothing and uses the kit; it keeps a note on disk. */
const PLUGIN = `
interface Place { readonly root: string; readonly options: Record<string, unknown> }
const driver = {
  api: 1, kind: "layer", name: "notes", summary: "keeps notes",
  options: { note: { type: "string", description: "what to write" } },
  probe: (place: Place, kit: any) => ({
    usable: kit.sys.files.exists("/proc/self"), reason: "notes are always possible",
    facts: { note: String(place.options.note ?? "none") },
  }),
  open: (place: Place, kit: any) => {
    kit.sys.files.writeAtomic(place.root + "/note", String(place.options.note ?? ""));
    if (typeof kit.errors.CoracleError !== "function") throw new Error("no error class in the kit");
    return { name: "notes", list: () => kit.sys.files.listNames(place.root) };
  },
};
export default driver;
`;

function plugin(content = PLUGIN, name = "notes.ts"): string {
  const place = mkdtempSync(join(folder, "plugin-"));
  const path = join(place, name);
  writeFileSync(path, content, { mode: 0o644 });
  return path;
}

const sha256 = (content: string) => createHash("sha256").update(content).digest("hex");
const isRoot = process.getuid?.() === 0;

describe("a plugin file", () => {
  test("in TypeScript is loaded, probed and opened, with its options and the kit", async () => {
    const path = plugin();
    const given = config({
      plugins: [{ path, sha256: sha256(PLUGIN) }],
      layer: choose("notes", { notes: { note: "hello" } }),
    });
    const found = await findDriver("layer", given);
    assert.equal(found.name, "notes");
    assert.equal(found.source, path);
    assert.deepEqual(found.probe?.facts, { note: "hello" });
    assert.deepEqual(found.open().list(), ["note"]);
    const report = (await listDrivers(given)).find(({ name }) => name === "notes");
    assert.equal(report?.inUse, true);
    assert.equal(report?.usable, true);
  });

  test("with a path that has letters of URLs in it is loaded", async () => {
    const path = plugin(PLUGIN, "no tes #1 %20.ts");
    const found = await findDriver(
      "layer",
      config({ plugins: [{ path }], layer: choose("notes") }),
    );
    assert.equal(found.name, "notes");
  });

  test("that was changed is refused with both digests", async () => {
    const path = plugin(`${PLUGIN} `);
    const given = config({ plugins: [{ path, sha256: sha256(PLUGIN) }] });
    const error = await refusal(findDriver("layer", given), "corrupt");
    assert.match(error.message, new RegExp(sha256(PLUGIN)));
    assert.match(error.message, new RegExp(sha256(`${PLUGIN} `)));
  });

  test("that others can write to, or in a folder that others can write to, is refused", async () => {
    for (const mode of [0o666, 0o664, 0o646]) {
      const path = plugin();
      chmodSync(path, mode);
      const given = config({ plugins: [{ path }] });
      const error = await refusal(findDriver("layer", given), "denied");
      assert.match(error.why ?? "", /others can write to/);
    }
    const open = mkdtempSync(join(folder, "open-"));
    mkdirSync(join(open, "inner"));
    writeFileSync(join(open, "inner/notes.ts"), PLUGIN);
    chmodSync(open, 0o777);
    const given = config({ plugins: [{ path: join(open, "inner/notes.ts") }] });
    const error = await refusal(findDriver("layer", given), "denied");
    assert.equal(error.why, `others can write to "${open}"`);
  });

  test("that belongs to somebody else is refused, also behind a symbolic link", {
    skip: isRoot ? false : skipUnless({ root: true }),
  }, async () => {
    const path = plugin();
    chownSync(path, 12345, 12345);
    const link = join(folder, "link.ts");
    symlinkSync(path, link);
    for (const given of [path, link]) {
      const error = await refusal(
        findDriver("layer", config({ plugins: [{ path: given }] })),
        "denied",
      );
      assert.match(error.why ?? "", /belongs to user 12345$/);
    }
  });

  const WRONG: readonly (readonly [string, string, RegExp])[] = [
    ["an older api", PLUGIN.replace("api: 1", "api: 0"), /contract api 0, wanted 1$/],
    ["no api", PLUGIN.replace("api: 1,", ""), /contract api none, wanted 1$/],
    ["an unknown kind", PLUGIN.replace('"layer"', '"cloud"'), /its kind is "cloud", wanted one of/],
    ["a wrong name", PLUGIN.replaceAll('"notes"', '"No Tes"'), /its name is "No Tes"/],
    ["the name auto", PLUGIN.replaceAll('"notes"', '"auto"'), /its name is "auto"/],
    ["a built-in name", PLUGIN.replaceAll('"notes"', '"overlay"'), /a built-in layer driver$/],
    ["no probe", PLUGIN.replace("probe:", "prove:"), /it has no function "probe"$/],
    ["a wrong option", PLUGIN.replace('"string"', '"date"'), /its option "note" has no type/],
    ["no default export", "export const driver = {};", /its default export is not a driver/],
    ["a syntax error", "export default {{{", /it cannot be loaded: /],
    ["an error when loaded", 'throw new Error("boom")', /it cannot be loaded: boom/],
  ];
  for (const [what, content, wanted] of WRONG) {
    test(`with ${what} is refused and says so`, async () => {
      const given = config({ plugins: [{ path: plugin(content) }] });
      const error = await refusal(findDriver("layer", given), "unsupported");
      assert.match(error.message, wanted);
    });
  }

  test("that is missing, a folder, or named by a relative path is refused", async () => {
    const of = (path: string) => findDriver("layer", config({ plugins: [{ path }] }));
    assert.match((await refusal(of(`${folder}/none.ts`), "notfound")).message, /no such file/);
    assert.match((await refusal(of(folder), "denied")).message, /it is not a file/);
    assert.match((await refusal(of("notes.ts"), "denied")).message, /not absolute/);
  });

  test("twice with one name is refused", async () => {
    const given = config({ plugins: [{ path: plugin() }, { path: plugin() }] });
    const error = await refusal(findDriver("layer", given), "config");
    assert.match(error.message, /two layer drivers with the name "notes"/);
  });

  test("whose probe throws is not usable, in its own words", async () => {
    const path = plugin(
      PLUGIN.replace("usable: kit", 'usable: (() => { throw new Error("hm") })() || kit'),
    );
    const given = config({ plugins: [{ path }], layer: choose("notes") });
    const error = await refusal(findDriver("layer", given), "unsupported");
    assert.match(error.message, /its probe failed: hm$/);
  });
});

describe("the choice of a driver", () => {
  test("by a name that does not exist is answered with the nearest", async () => {
    const error = await refusal(
      findDriver("layer", config({ layer: choose("overlya") })),
      "config",
    );
    assert.match(error.message, /there is no driver of that name, only: overlay, aufs, copy$/);
    assert.equal(error.hint, 'the name "overlay"');
  });

  test("binds a store to the layer driver that made it", async () => {
    const copy = config({ layer: choose("copy") });
    const error = await refusal(findDriver("layer", copy, "overlay"), "config");
    assert.equal(
      error.message,
      `cannot use the layer driver "copy": the store "${copy.root}" was made with "overlay"`,
    );
    assert.match(error.hint ?? "", /--layer-driver overlay/);
    assert.equal((await findDriver("layer", config(), "copy")).name, "copy");
    const gone = await refusal(findDriver("layer", config(), "zfs"), "config");
    assert.match(
      gone.message,
      /the store was made with it, but there is only: overlay, aufs, copy$/,
    );
  });

  test("refuses unknown tables and options, and values of the wrong type", async () => {
    const of = (options: Record<string, Record<string, unknown>>) =>
      refusal(findDriver("layer", config({ layer: choose("overlay", options) })), "config");
    const table = await of({ overly: {} });
    assert.match(table.message, /unknown key "layer\.overly"/);
    assert.equal(table.hint, 'the key "layer.overlay"');
    const key = await of({ overlay: { mount_option: [] } });
    assert.match(key.message, /unknown key "layer\.overlay\.mount_option"/);
    assert.equal(key.hint, 'the key "layer.overlay.mount_options"');
    const type = await of({ overlay: { mount_options: "x" } });
    assert.match(
      type.message,
      /key "layer\.overlay\.mount_options": must be string\[\], found "x"$/,
    );
  });

  test("of a layer driver is not made by a path", async () => {
    const error = await refusal(
      findDriver("layer", config({ layer: choose("/bin/true") })),
      "usage",
    );
    assert.match(error.hint ?? "", /\[\[plugin\]\]/);
  });
});

describe("the choice of a runtime", {
  skip: findProgram("crun") === null || findProgram("runc") === null
    ? skipUnless({ other: "crun and runc are not both installed" })
    : skipUnless({ root: true }),
}, () => {
  test("by name gives that one, usable", async () => {
    for (const name of ["crun", "runc"]) {
      const found = await findDriver("runtime", config({ runtime: choose(name) }));
      assert.equal(found.name, name);
      assert.equal(found.probe?.usable, true);
      assert.equal(found.open().path, findProgram(name));
    }
  });

  test("by path asks the program which driver knows it", async () => {
    for (const name of ["crun", "runc"]) {
      const copied = join(folder, `some-${name}-program`);
      writeFileSync(copied, `#!/bin/sh\nexec ${findProgram(name)} "$@"\n`, { mode: 0o755 });
      const found = await findDriver("runtime", config({ runtime: choose(copied) }));
      assert.equal(found.name, name);
      assert.equal(found.open().path, copied);
    }
    const nothing = await refusal(
      findDriver("runtime", config({ runtime: choose("/nonexistent/runc") })),
      "unsupported",
    );
    assert.match(nothing.message, /cannot use "\/nonexistent\/runc" as the runtime/);
    await refusal(findDriver("runtime", config({ runtime: choose("/bin/false") })), "unsupported");
  });

  test("by auto that finds nothing lists each with its reason", async () => {
    const missing = { crun: { path: "/nonexistent/crun" }, runc: { path: "/nonexistent/runc" } };
    const given = config({ runtime: choose("auto", missing) });
    const error = await refusal(findDriver("runtime", given), "unsupported");
    assert.match(error.message, /^cannot find a usable runtime driver: /);
    assert.match(error.message, /crun: /);
    assert.match(error.message, /runc: /);
  });

  test("a driver is proved by the suite of its contract", async () => {
    const outcomes: string[] = [];
    await checkDriver(config(), { name: "crun", only: "state" }, (r) => outcomes.push(r.outcome));
    assert.ok(!outcomes.includes("failed"), outcomes.join(" "));
    await refusal(checkDriver(config(), { name: "zzz" }, () => {}), "notfound");
  });
});
