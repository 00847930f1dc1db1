import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProcessFacts } from "../../../core/engine/container_processes.ts";
import { columnOf, COLUMNS, STANDARD_COLUMNS } from "../../../core/engine/process_columns.ts";

const PROCESS: ProcessFacts = {
  hostPid: 4711,
  pid: 7,
  parent: 1,
  group: 7,
  name: "sleep",
  command: ["sleep", "1000"],
  state: "S",
  terminal: 0,
  nice: 0,
  cpuTime: 1050,
  elapsed: 2000,
  virtualSize: 2268,
  residentSize: 1380,
  uids: [0, 1000],
  gids: [0, 1000],
  groups: [0, 10, 4242],
  capabilities: { Inh: 0n, Prm: 1n | 1n << 18n, Eff: 1n, Bnd: (1n << 41n) - 1n, Amb: 0n },
  seccomp: 2,
  label: "?",
};
const NAMES = {
  inside: {
    users: new Map([[0, "root"], [1000, "guest"]]),
    groups: new Map([[0, "root"], [10, "wheel"], [1000, "guest"]]),
  },
  host: { users: new Map([[1000, "alice"]]), groups: new Map([[1000, "people"]]) },
};

function shown(descriptor: string): string {
  return columnOf(descriptor)?.show(PROCESS, NAMES) ?? "none";
}

test("every descriptor shows what Podman shows", () => {
  const table: Readonly<Record<string, string>> = {
    args: "sleep 1000",
    capamb: "none",
    capbnd: "full",
    capeff: "CHOWN",
    capprm: "CHOWN,SYS_CHROOT",
    comm: "sleep",
    etime: "2s",
    group: "guest",
    groups: "root,wheel,4242",
    hgroup: "people",
    hpid: "4711",
    huser: "alice",
    nice: "0",
    pcpu: "52.500",
    pgid: "7",
    pid: "7",
    ppid: "1",
    rgroup: "root",
    rss: "1380",
    ruser: "root",
    seccomp: "filter",
    state: "S",
    time: "1.05s",
    tty: "?",
    user: "guest",
    vsz: "2268",
    "%a": "sleep 1000",
    "%U": "guest",
    "%u": "root",
    "%p": "7",
  };
  for (const [descriptor, expected] of Object.entries(table)) {
    assert.equal(shown(descriptor), expected, descriptor);
  }
});

test("terminals have their names", () => {
  const terminal = (device: number) => COLUMNS.tty?.show({ ...PROCESS, terminal: device }, NAMES);
  assert.equal(terminal(136 << 8 | 3), "pts/3");
  assert.equal(terminal(137 << 8 | 1), "pts/257");
  assert.equal(terminal(4 << 8 | 1), "tty1");
  assert.equal(terminal(4 << 8 | 64), "ttyS0");
  assert.equal(terminal(5 << 8 | 1), "5:1");
});

test("words that are no descriptors are told apart", () => {
  for (const word of ["foo", "-ef", "PID", "%q", "constructor", ""]) {
    assert.equal(columnOf(word), undefined, word);
  }
  assert.ok(STANDARD_COLUMNS.every((name) => columnOf(name) !== undefined));
});
