// Random data of a test: the seed is $CUBELINK_SEED if that is set, else another one each time. It is printed, so that a failure can be repeated.
export const seed = Number(process.env.CUBELINK_SEED ?? Math.floor(2 ** 32 * Math.random())) >>> 0;
console.log(`CUBELINK_SEED=${seed}`);

let state = seed;
/** The next number in [0, 1), the same ones for the same seed (linear congruential: data for tests, nothing finer). */
export const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
