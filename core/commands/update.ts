/** `coracle update`: limits of a running container. */
import { updateContainer } from "../engine/update_container.ts";
import { findContainer } from "../engine/find_container.ts";
import { command } from "./command.ts";
import { containerFlags } from "./container_flags.ts";
import { resourceRequest } from "./create_request.ts";

export const update = command({
  name: "update",
  aliases: ["container update"],
  summary: "Change the limits of a running container",
  description: "Limits that are not given stay. The new ones last until the container ends.",
  usage: "[options] CONTAINER",
  examples: ["coracle update --memory 1g web", "coracle update --cpus 0.5 --pids-limit 100 web"],
  flags: {
    blkioWeight: containerFlags.blkioWeight,
    cpuPeriod: containerFlags.cpuPeriod,
    cpuQuota: containerFlags.cpuQuota,
    cpuShares: containerFlags.cpuShares,
    cpus: containerFlags.cpus,
    cpusetCpus: containerFlags.cpusetCpus,
    cpusetMems: containerFlags.cpusetMems,
    memory: containerFlags.memory,
    memoryReservation: containerFlags.memoryReservation,
    memorySwap: containerFlags.memorySwap,
    memorySwappiness: containerFlags.memorySwappiness,
    oomKillDisable: containerFlags.oomKillDisable,
    pidsLimit: containerFlags.pidsLimit,
  },
  arguments: { min: 1, max: 1 },
  needs: ["db", "runtime"],
  run({ engine, output }, [wanted = ""], flags) {
    const row = findContainer(engine.db, wanted);
    updateContainer(engine, row, resourceRequest(flags));
    output.line(row.id);
  },
});
