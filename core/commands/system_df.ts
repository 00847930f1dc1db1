/** `coracle system df`: what images, containers and volumes take. */
import { statusWord } from "../container/record.ts";
import { type DiskUsage, diskUsage, type UsageSum } from "../engine/disk_usage.ts";
import { command, flag } from "./command.ts";
import type { Output } from "./output.ts";
import { humanDuration, humanSize, printList, shortId } from "./table_format.ts";

export const systemDf = command({
  name: "system df",
  summary: "Show disk usage",
  usage: "[options]",
  examples: ["coracle system df", "coracle system df --format '{{.Type}} {{.Size}}'"],
  flags: {
    format: flag.text("--format TEMPLATE", 'Go template, "table …" or "json"'),
    verbose: flag.boolean("-v, --verbose", "Every image, container and volume"),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db", "layers"],
  async run({ engine, output }, _args, { format, verbose }) {
    const usage = diskUsage(engine);
    if (verbose && format === undefined) return await printAll(output, usage);
    const rows = [
      summary("Images", usage.sums.images),
      summary("Containers", usage.sums.containers),
      summary("Local Volumes", usage.sums.volumes),
    ];
    await printList(output, rows, {
      standard: "table {{.Type}}\t{{.Total}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
      format,
      type: "*system.dfSummary",
    });
  },
});

function size(bytes: number): string {
  return humanSize(bytes, { digits: 4 });
}

function summary(type: string, sum: UsageSum) {
  const percent = sum.size === 0 ? 0 : Math.trunc(100 * sum.reclaimable / sum.size);
  return {
    Type: type,
    Total: sum.total,
    Active: sum.active,
    RawSize: sum.size,
    RawReclaimable: sum.reclaimable,
    TotalCount: sum.total,
    Size: size(sum.size),
    Reclaimable: `${size(sum.reclaimable)} (${percent}%)`,
  };
}

/** A time span without "ago". */
function age(time: string): string {
  return humanDuration((Date.now() - Date.parse(time)) / 1000);
}

async function printAll(output: Output, usage: DiskUsage): Promise<void> {
  output.write("Images space usage:\n\n");
  await printList(
    output,
    usage.images.map((image) => ({
      Repository: image.repository,
      Tag: image.tag,
      ImageID: shortId(image.id),
      Created: age(image.created),
      Size: size(image.size),
      SharedSize: size(image.shared),
      UniqueSize: size(image.unique),
      Containers: image.containers,
    })),
    {
      standard: "table {{.Repository}}\t{{.Tag}}\t{{.ImageID}}\t{{.Created}}\t{{.Size}}\t" +
        "{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
    },
  );
  output.write("\nContainers space usage:\n\n");
  await printList(
    output,
    usage.containers.map(({ row, ...container }) => ({
      ContainerID: shortId(row.id),
      Image: shortId(container.image),
      Command: container.command,
      LocalVolumes: container.volumes,
      Size: size(container.size),
      Created: age(row.created),
      Status: statusWord(container.state),
      Names: row.name,
    })),
    {
      standard: "table {{.ContainerID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t" +
        "{{.Created}}\t{{.Status}}\t{{.Names}}",
    },
  );
  output.write("\nLocal Volumes space usage:\n\n");
  await printList(
    output,
    usage.volumes.map(({ name, links, size: bytes }) => ({
      VolumeName: name,
      Links: links,
      Size: size(bytes),
    })),
    { standard: "table {{.VolumeName}}\t{{.Links}}\t{{.Size}}" },
  );
}
