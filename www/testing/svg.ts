/** Looking into drawings, for unit tests. */

import type { SvgNode } from "../charts/svg";

/** Every node of a drawing that passes a test, itself among them. */
export function all(node: SvgNode, test: (node: SvgNode) => boolean): SvgNode[] {
  const own = test(node) ? [node] : [];
  return [...own, ...node.children.flatMap((child) => (typeof child === "string" ? [] : all(child, test)))];
}

/** Those of a class. */
export const byClass = (node: SvgNode, name: string) =>
  all(node, (entry) => (entry.attributes.class ?? "").split(" ").includes(name));
/** What a drawing says. */
export const texts = (node: SvgNode) =>
  all(node, (entry) => entry.name === "text").map((entry) => entry.children.join(""));
