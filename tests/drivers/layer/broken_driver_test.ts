/** The conformance suite is worth something only if it notices a driver that is wrong. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { test } from "node:test";
import { checkLayerDriver } from "../../../drivers/layer/conformance.ts";
import { driver as copy } from "../../../drivers/layer/copy.ts";
import type { LayerDriver } from "../../../drivers/layer/driver.ts";
import type { DriverModule } from "../../../drivers/module.ts";
import type { TreeEntry, TreeSink } from "../../../core/terms.ts";

type Wrong = (right: LayerDriver) => Partial<LayerDriver>;

/** A driver that is right but for what `wrong` says. */
function broken(wrong: Wrong): DriverModule<"layer"> {
  return {
    ...copy,
    name: "broken",
    open(place) {
      const right = copy.open(place);
      const changed = wrong(right);
      return new Proxy(right, {
        get(target, key) {
          if (Object.hasOwn(changed, key)) return Reflect.get(changed, key);
          const value = Reflect.get(target, key);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    },
  };
}

function changing(sink: TreeSink, change: (entry: TreeEntry) => TreeEntry | null): TreeSink {
  return {
    entry(entry) {
      const other = change(entry);
      if (other !== null) sink.entry(other);
    },
    write: (bytes) => sink.write(bytes),
    end: () => sink.end(),
  };
}

function begun(change: (entry: TreeEntry) => TreeEntry | null): Wrong {
  return (right) => ({
    begin(spec) {
      const stage = right.begin(spec);
      return {
        ...changing(stage, change),
        commit: () => stage.commit(),
        abort: () => stage.abort(),
      };
    },
  });
}

const MISTAKES: readonly [string, number, Wrong][] = [
  [
    "loses deletions",
    6,
    begun((entry) => entry.type === "whiteout" || entry.type === "opaque" ? null : entry),
  ],
  ["loses attributes", 1, begun(({ xattrs: _xattrs, ...entry }) => entry)],
  ["never finds a change", 7, () => ({ changes: () => [] })],
  ["sends nothing", 10, () => ({ entries: (_layer, sink) => (sink.end(), { sockets: [] }) })],
];

function failuresOf(wrong: Wrong): string[] {
  const directory = mkdtempSync("/dev/shm/layer-broken-");
  try {
    return checkLayerDriver(broken(wrong), { directory, kit: undefined as never })
      .filter(({ outcome }) => outcome === "failed").map(({ name }) => name);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const skip = process.getuid?.() === 0 ? false : "needs root";

for (const [name, least, wrong] of MISTAKES) {
  test(`a driver that ${name} is found out`, { skip }, () => {
    const failures = failuresOf(wrong);
    assert.ok(failures.length >= least, `${failures.length} cases failed: ${failures.join("; ")}`);
  });
}

test("a driver with all these mistakes fails at least ten cases", { skip }, () => {
  const all: Wrong = (right) => Object.assign({}, ...MISTAKES.map(([, , wrong]) => wrong(right)));
  assert.ok(failuresOf(all).length >= 10);
});
