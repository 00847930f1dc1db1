/** A process that writes a megabyte to the database and ends without closing it: `unclosed.ts FOLDER`. */
import { join } from "node:path";
import { openDatabase, setMeta } from "../../../core/state/database.ts";

const db = openDatabase(join(process.argv[2]!, "state.db"), "boot-1");
// Other text each time: the same is not written again.
setMeta(db, "key", `${process.pid}`.padStart(10).repeat(110_000));
process.kill(process.pid, "SIGKILL");
