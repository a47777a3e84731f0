/** Text that is HTML already. Made by {@link html} only, so that nothing else gets into a page unescaped. */
export class Html {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  toString(): string {
    return this.#text;
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
/** Characters that no HTML document may hold are shown as the replacement character. */
const escape = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  text.replaceAll(/[&<>"']/g, (c) => ENTITIES[c]!).replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '\ufffd');

type Part = Html | string | number | null | undefined | false | readonly Part[];

const write = (part: Part): string => {
  if (part === null || part === undefined || part === false) return '';
  if (part instanceof Html) return part.toString();
  if (typeof part === 'string') return escape(part);
  if (typeof part === 'number') return String(part);
  return part.map(write).join('');
};

/** A template whose values are escaped, unless they are {@link Html}; lists are joined, null and false are nothing. */
export const html = (strings: TemplateStringsArray, ...parts: Part[]): Html =>
  new Html(strings.reduce((all, text, i) => all + write(parts[i - 1]) + text));

/** A picture that one of our own renderers drew: its texts are escaped already. */
export const drawn = (svg: string): Html => new Html(svg);
