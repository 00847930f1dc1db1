/** A process that writes a megabyte to the database and ends without closing it: `unclosed.ts FOLDER`. */
import { join } from "node:path";
import { openDatabase, setMeta } from "../../../core/state/database.ts";

const db = openDatabase(join(process.argv[2]!, "state.db"), "boot-1");
setMeta(db, "key", "x".repeat(1_100_000));
process.kill(process.pid, "SIGKILL");
