/** Started by survival_test.ts: creates and starts a container, says so, and waits to be killed. */
import { createContainer } from "../../core/container/monitored_container.ts";
import { writeAtomic } from "../../../core/sys/files.ts";

const [report = "", script = ""] = process.argv.slice(2);
const { spec, runtime, monitorPid, exitFile, out } = createContainer(script);
runtime.start(spec.id);
const base = out.slice(0, out.lastIndexOf("/"));
writeAtomic(
  report,
  JSON.stringify({ base, id: spec.id, log: spec.log.path, monitorPid, exitFile }),
);
setInterval(() => {}, 1000);
