/** Numbers between DuckDB's vectors and typed arrays as blocks of bytes: no call and no object for each value. */
import { DuckDBDataChunk, DuckDBVector, type DuckDBAppender, type DuckDBType } from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';

/** The values of a DOUBLE column, where none is null. A view of DuckDB's memory: copy it while the chunk is in use. */
export const doublesOf = (chunk: DuckDBDataChunk, column: number): Float64Array => {
  const { buffer, byteOffset } = bytesOf(chunk, column, Float64Array.BYTES_PER_ELEMENT);
  return new Float64Array(buffer, byteOffset, chunk.rowCount);
};

/** The same of a FLOAT column. */
export const floatsOf = (chunk: DuckDBDataChunk, column: number): Float32Array => {
  const { buffer, byteOffset } = bytesOf(chunk, column, Float32Array.BYTES_PER_ELEMENT);
  return new Float32Array(buffer, byteOffset, chunk.rowCount);
};

/** The same of an INTEGER column. */
export const integersOf = (chunk: DuckDBDataChunk, column: number): Int32Array => {
  const { buffer, byteOffset } = bytesOf(chunk, column, Int32Array.BYTES_PER_ELEMENT);
  return new Int32Array(buffer, byteOffset, chunk.rowCount);
};

const bytesOf = (chunk: DuckDBDataChunk, column: number, width: number): Uint8Array =>
  duckdb.vector_get_data(duckdb.data_chunk_get_vector(chunk.chunk, column), chunk.rowCount * width);

/**
 * Appends rows given as one typed array a column, NaN as it is.
 * @param types FLOAT for each Float32Array, DOUBLE for each Float64Array
 */
export const appendArrays = (
  appender: DuckDBAppender,
  types: readonly DuckDBType[],
  rows: number,
  columns: readonly (Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>)[],
): void => {
  const step = DuckDBVector.standardSize();
  for (let from = 0; from < rows; from += step) {
    const count = Math.min(step, rows - from);
    const chunk = DuckDBDataChunk.create(types, count);
    for (const [position, { buffer, byteOffset, BYTES_PER_ELEMENT: width }] of columns.entries()) {
      const vector = duckdb.data_chunk_get_vector(chunk.chunk, position);
      duckdb.copy_data_to_vector(vector, 0, buffer, byteOffset + from * width, count * width);
    }
    appender.appendDataChunk(chunk);
  }
};
