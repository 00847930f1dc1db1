/** Started by attach_test.ts on a terminal of its own: attaches to the monitor of the directory. */
import { attach, connectAttach } from "../../../core/container/attach.ts";
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from "../../../core/container/detach_keys.ts";
import { driver as conmon } from "../../../drivers/monitor/conmon.ts";

const [dir = ""] = process.argv.slice(2);
const monitor = conmon.open({ root: dir, runroot: dir, options: {} });
const attaching = attach({
  socket: connectAttach(`${dir}/attach`),
  terminal: true,
  stdin: 0,
  stdout: 1,
  stderr: 2,
  detachKeys: parseDetachKeys(DEFAULT_DETACH_KEYS),
  resize: (size) => monitor.resize(dir, size),
});
console.log(`raw mode of ${process.pid}\r`);
console.log(`end=${await attaching}`);
process.exit(0);
