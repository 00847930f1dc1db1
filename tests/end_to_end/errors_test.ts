/** Golden: what the executable says to wrong command lines, as text and as JSON, with the status. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { matchesGolden } from "../golden_file.ts";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, type Outcome, type Store, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["crun", "conmon"] });

/** Typed one after the other in a store with an image, `idle` (made, not started) and `busy` (runs). */
const LINES: readonly string[] = [
  // images
  "images --filter bogus=1",
  "images --sort bogus",
  "images --format {{.Nope}}",
  "history nosuch",
  "history",
  "image inspect nosuch",
  "image nosuch",
  "inspect nosuch",
  "inspect --type bogus idle",
  "inspect --format {{.Nope}} idle",
  "load -i /nosuch",
  "load -i text",
  "load -i empty-folder",
  "load",
  "import /nosuch",
  "import text",
  "import empty-folder",
  "import --change BOGUS=x text",
  "import http://localhost/x.tar",
  "save",
  "save nosuch",
  "save --format bogus IMAGE",
  "save -o /nosuch/x IMAGE",
  "save -o empty-folder IMAGE",
  "tag nosuch a",
  "tag IMAGE",
  "tag IMAGE UPPER",
  "tag IMAGE a:b:c",
  "untag IMAGE nosuch",
  "rmi",
  "rmi nosuch",
  "rmi IMAGE",
  // run and create
  "run",
  "run --rm nosuch true",
  "run --rm IMAGE",
  "run --rm IMAGE nosuch",
  "run --rm IMAGE /etc",
  "run --rm --rmm IMAGE true",
  "run --rm -Z IMAGE true",
  "run --rm --name a/b IMAGE true",
  "run --rm --name busy IMAGE true",
  "run --rm --env =x IMAGE true",
  "run --rm --env-file /nosuch IMAGE true",
  "run --rm --volume /nosuch:/x IMAGE true",
  "run --rm --volume relative IMAGE true",
  "run --rm --volume /tmp:/x:bogus IMAGE true",
  "run --rm --volume a/b:/x IMAGE true",
  "run --rm --tmpfs relative IMAGE true",
  "run --rm --mount bogus IMAGE true",
  "run --rm --workdir /nosuch IMAGE true",
  "run --rm --user nosuch IMAGE true",
  "run --rm --memory lots IMAGE true",
  "run --rm --cpus many IMAGE true",
  "run --rm --pids-limit x IMAGE true",
  "run --rm --ulimit bogus IMAGE true",
  "run --rm --cap-add bogus IMAGE true",
  "run --rm --security-opt bogus IMAGE true",
  "run --rm --network bogus IMAGE true",
  "run --rm --network bridge IMAGE true",
  "run --rm --publish 80 IMAGE true",
  "run --rm --pod p IMAGE true",
  "run --rm --restart always IMAGE true",
  "run --rm --pull always IMAGE true",
  "run --rm --userns auto IMAGE true",
  "run --rm --add-host bogus IMAGE true",
  "run --rm --dns bogus IMAGE true",
  "run --rm --stop-signal BOGUS IMAGE true",
  "run --rm --stop-timeout -1 IMAGE true",
  "run --rm --timeout -1 IMAGE true",
  "run --rm --cidfile text IMAGE true",
  "run --rm --pidfile /nosuch/x IMAGE true",
  "run --rm --attach bogus IMAGE true",
  "run --rm --detach --attach stdout IMAGE true",
  "run --rm --detach-keys bogus IMAGE true",
  "create",
  "create --log-driver bogus IMAGE true",
  "--runtime nosuch run --rm IMAGE true",
  "--runtime /nosuch run --rm IMAGE true",
  "--monitor /nosuch run --rm IMAGE true",
  "--layer-driver nosuch run --rm IMAGE true",
  // containers
  "ps extra",
  "ps --filter bogus=1",
  "ps --filter status=bogus",
  "ps --format {{",
  "ps --sort bogus",
  "start",
  "start nosuch",
  "start --attach idle busy",
  "stop nosuch",
  "stop idle",
  "stop --time x busy",
  "kill idle",
  "kill --signal BOGUS busy",
  "exec",
  "exec busy",
  "exec idle true",
  "exec busy nosuch",
  "exec --workdir /nosuch busy true",
  "exec --user nosuch busy true",
  "attach idle",
  "pause idle",
  "unpause busy",
  "logs",
  "logs nosuch",
  "logs --since bogus idle",
  "logs --tail x idle",
  "wait",
  "wait --condition bogus busy",
  "rename busy idle",
  "rename busy a/b",
  "top idle",
  "rm",
  "rm nosuch",
  "rm busy",
  "rm --all idle",
  "container",
  "container nosuch",
  "container exists nosuch",
  "image exists nosuch",
  // the rest
  "volume rm nosuch",
  "volume create a/b",
  "volume inspect nosuch",
  "drivers check nosuch",
  "drivers check --kind bogus crun",
  "system df extra",
  "info --format {{.Nope}}",
  "--root text ps",
  "--config /nosuch ps",
  "--log-level loud ps",
];

/** With `--log-format json`: one of each code that a wrong line can have. */
const JSON_LINES: readonly string[] = [
  "run --rm --rmm IMAGE true",
  "rm nosuch",
  "rm busy",
  "rename busy idle",
  "pause idle",
  "run --rm IMAGE nosuch",
  "run --rm IMAGE /etc",
  "run --rm --publish 80 IMAGE true",
  "load -i text",
  "save -o /nosuch/x IMAGE",
  "--config /nosuch ps",
];

/** Takes out what differs from run to run and from host to host. */
function plain(said: string, folder: string): string {
  return said.replaceAll(folder, "FOLDER")
    .replace(/[0-9a-f]{64}|\b[0-9a-f]{12}\b/g, "ID")
    // The runtime's own words change from version to version.
    .replace(/crun: .*?(: OCI |\\?"|\n)/g, "crun: …$1")
    // The name of a container that was given none.
    .replace(/(container \\?")[a-z]+_[a-z]+(\d*\\?")/g, "$1NAME$2")
    .replace(/"stack":"(?:[^"\\]|\\.)*"/g, '"stack":"…"');
}

function answer(store: Store, line: string): string {
  const words = line.split(" ").map((word) => word === "IMAGE" ? BUSYBOX : word);
  const { stderr, status }: Outcome = store.coracle(["--runtime", "crun", ...words]);
  return `$ coracle ${line}\n${plain(stderr, store.folder)}[${status}]\n`;
}

test(
  "wrong command lines, wrong values, missing things and wrong states are told as the golden files say",
  { skip },
  withStore((store) => {
    store.importBusybox();
    store.ok(["create", "--name", "idle", BUSYBOX, "true"]);
    store.ok(["run", "-d", "--name", "busy", BUSYBOX, "sleep", "1000"]);
    writeFileSync(join(store.folder, "text"), "This is no archive, no database, no folder.\n");
    mkdirSync(join(store.folder, "empty-folder"));
    // Nothing of all this may leave a container or stop one.
    const before = store.ok(["ps", "--all", "--format", "{{.Names}}"]);
    const texts = [...LINES, ...JSON_LINES.map((line) => `--log-format json ${line}`)]
      .map((line) => answer(store, line));
    matchesGolden("command_errors.txt", texts.join("\n"));
    const after = store.ok(["ps", "--all", "--format", "{{.Names}}"]);
    if (before !== after) throw new Error(`containers were\n${before}\nand are\n${after}`);
  }),
);
