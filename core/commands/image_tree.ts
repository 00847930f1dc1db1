/** `coracle image tree`: the layers of an image, drawn as Podman draws them. */
import { imageTree as treeOf, type TreeNode } from "../engine/image_tree.ts";
import { command, flag } from "./command.ts";
import { humanSize, shortId } from "./table_format.ts";

export const imageTree = command({
  name: "image tree",
  summary: "Show the layers of an image as a tree",
  usage: "[options] IMAGE",
  examples: ["coracle image tree debian:bookworm"],
  flags: {
    whatRequires: flag.boolean("--whatrequires", "Show what was made from the image instead"),
  },
  arguments: { min: 1, max: 1 },
  needs: ["db"],
  run({ engine, output }, [name = ""], { whatRequires }) {
    const { id, names, size, layers } = treeOf(engine, name, { whatRequires });
    output.line(`Image ID: ${shortId(id)}`);
    output.line(`Tags:     [${names.join(" ")}]`);
    output.line(`Size:     ${humanSize(size, { digits: 4 })}`);
    output.line(layers.length === 0 ? "No Image Layers" : "Image Layers");
    for (const line of drawn(layers, "")) output.line(line);
    output.line("");
  },
});

function drawn(nodes: readonly TreeNode[], indent: string): string[] {
  return nodes.flatMap((node, i) => {
    const isLast = i === nodes.length - 1;
    const tags = node.names.length === 0 ? "" : ` Top Layer of: [${node.names.join(" ")}]`;
    const size = humanSize(node.size, { digits: 4 }).padStart(7);
    return [
      `${indent}${isLast ? "└── " : "├── "}ID: ${shortId(node.id)} Size: ${size}${tags}`,
      ...drawn(node.children, `${indent}${isLast ? "    " : "│   "}`),
    ];
  });
}
