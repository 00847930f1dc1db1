/** Writes plain values as YAML, as `podman info` shows its report to people. Nothing reads it back. */

const PLAIN = /^[A-Za-z/_][A-Za-z0-9 _./:@+()=~-]*$/;
const RESERVED = /^(true|false|yes|no|on|off|null|~)$/i;

/** Objects, arrays, text, numbers and booleans; keys in their own order, two spaces a level. */
export function toYaml(value: unknown, indent = ""): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return " []\n";
    const items = value.map((item) => {
      const body = toYaml(item, `${indent}  `);
      return `${indent}-${isNested(item) ? ` ${body.trimStart()}` : body}`;
    });
    return `\n${items.join("")}`;
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    if (entries.length === 0) return " {}\n";
    const lines = entries.map(([key, item]) =>
      `${indent}${scalar(key)}:${toYaml(item, `${indent}  `)}`
    );
    return `\n${lines.join("")}`;
  }
  return ` ${scalar(value)}\n`;
}

function isNested(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

function scalar(value: unknown): string {
  if (typeof value !== "string") return String(value);
  const isPlain = PLAIN.test(value) && !RESERVED.test(value) && !/: |:$| $/.test(value);
  return isPlain ? value : JSON.stringify(value);
}
