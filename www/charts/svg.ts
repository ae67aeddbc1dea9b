/**
 * A drawing as plain data, and its two ways out: markup (for the static first paint) and a live SVG element.
 * Charts build `SvgNode`s and never touch the document, so they can be tested and rendered anywhere.
 */

export interface SvgNode {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly (SvgNode | string)[];
}

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** One element. Numbers are rounded to hundredths of a pixel; `undefined` attributes are left out. */
export function svg(name: string, attributes: Attributes, ...children: readonly (SvgNode | string)[]): SvgNode {
  const written: Record<string, string> = {};
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) written[key] = typeof value === "number" ? round(value) : value;
  }
  return { name, attributes: written, children };
}

/** A number as short text, to hundredths, without a negative zero. */
export function round(value: number): string {
  return String(Math.round(value * 100) / 100 + 0);
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}

/** The drawing as markup, every text and attribute escaped. */
export function toMarkup(node: SvgNode): string {
  const attributes = Object.entries(node.attributes)
    .map(([key, value]) => ` ${key}="${escapeText(value)}"`)
    .join("");
  const children = node.children
    .map((child) => (typeof child === "string" ? escapeText(child) : toMarkup(child)))
    .join("");
  return `<${node.name}${attributes}>${children}</${node.name}>`;
}

const NAMESPACE = "http://www.w3.org/2000/svg";

function create(document: Document, node: SvgNode): SVGElement {
  const element = document.createElementNS(NAMESPACE, node.name);
  fill(element, node);
  return element;
}

function fill(element: Element, node: SvgNode): void {
  for (const name of element.getAttributeNames()) {
    if (!(name in node.attributes)) element.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(node.attributes)) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
  node.children.forEach((child, index) => {
    const old = element.childNodes[index];
    if (typeof child === "string") {
      if (old?.nodeType === 3) {
        if (old.nodeValue !== child) old.nodeValue = child;
      } else {
        const text = element.ownerDocument.createTextNode(child);
        if (old) old.replaceWith(text);
        else element.append(text);
      }
    } else if (old?.nodeName === child.name) {
      fill(old as Element, child);
    } else {
      const fresh = create(element.ownerDocument, child);
      if (old) old.replaceWith(fresh);
      else element.append(fresh);
    }
  });
  while (element.childNodes.length > node.children.length) element.lastChild?.remove();
}

/** Draws into `host`, changing only what differs from what is there. `host` holds nothing but this drawing. */
export function paint(host: Element, node: SvgNode): void {
  fill(host, { name: host.nodeName, attributes: attributesOf(host), children: [node] });
}

function attributesOf(element: Element): Record<string, string> {
  const result: Record<string, string> = {};
  for (const name of element.getAttributeNames()) result[name] = element.getAttribute(name) ?? "";
  return result;
}

/** Width of a text in pixels, estimated: wide for Hangul and other full-width letters, narrow for the rest. */
export function textWidth(text: string, size: number): number {
  let ems = 0;
  for (const character of text) ems += character >= "\u1100" && !/[\u2000-\u2fff]/.test(character) ? 0.96 : 0.6;
  return ems * size;
}
