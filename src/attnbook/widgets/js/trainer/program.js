// The worker's program as text, for notebooks and for pages opened from a file, where a worker can't be started from its address.

export { default } from "worker:./worker.js";
