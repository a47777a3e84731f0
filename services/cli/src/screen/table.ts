/** A column of a printed table: numbers stand right, texts left. */
export type TableColumn = { title: string; align?: 'left' | 'right' };

// Characters outside the basic plane of Latin text can be two cells wide; control characters would move the cursor.
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/gu;

/** Text that is safe on a terminal: data must not be able to write control sequences. */
export const printable = (text: string): string => text.replaceAll(CONTROL, '\u{fffd}');

/** Cells that a text takes on a terminal. */
const width = (text: string): number => [...text].length + (text.match(WIDE)?.length ?? 0);

/**
 * Aligned columns, two spaces apart, a header line first, each line indented by `indent`.
 * @param rows cells by position; missing ones are blank
 */
export const formatTable = (
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  indent = '  ',
): string[] => {
  const lines = [columns.map((column) => column.title), ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => width(line[i] ?? ''))));
  return lines.map((line) =>
    (
      indent +
      columns
        .map((column, i) => {
          const cell = line[i] ?? '';
          const space = ' '.repeat((widths[i] ?? 0) - width(cell));
          return column.align === 'right' ? space + cell : cell + space;
        })
        .join('  ')
    ).trimEnd(),
  );
};
