/** Native threads of a training: so many; or, where their number is left out, by the size of a step up to the limit. */
export type Threads = { threads: number | undefined; threadLimit: number | undefined };

/** @param asked by the options of a training @param limit of this process, which what is asked for does not pass */
export const threadsOf = (asked: number | undefined, limit: number | undefined): Threads => ({
  threads: asked === undefined ? undefined : Math.min(asked, limit ?? asked),
  threadLimit: limit,
});
