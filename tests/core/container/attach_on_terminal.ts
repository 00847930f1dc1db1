/** Started by attach_test.ts on a terminal of its own: attaches to the monitor of the directory. */
import { attach, connectAttach } from "../../../core/container/attach.ts";
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from "../../../core/container/detach_keys.ts";

const [dir] = process.argv.slice(2);
const socket = connectAttach(`${dir}/attach`);
const attaching = attach({
  socket,
  terminal: true,
  stdin: 0,
  stdout: 1,
  stderr: 2,
  detachKeys: parseDetachKeys(DEFAULT_DETACH_KEYS),
});
console.log("raw mode\r");
console.log(`end=${await attaching}`);
process.exit(0);
