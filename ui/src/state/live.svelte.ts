import {
  dashboard,
  makeDefaultGateway,
  openConfig,
  pauseNotifications,
  removeGateway,
  revision,
} from '../api/client';
import type { Days } from '../api/client';
import type { ApiError, Dashboard, UnixMillis } from '../api/types';

const LOOK_EVERY = 400;
const LOOK_AFTER_FAILURE = 2_000;
/** Nothing changed, but "today" may have become another day. */
const FETCH_AT_LEAST_EVERY = 60_000;
/** Progress is not worth a revision of the ledger each time it moves. */
const FETCH_WHILE_CATCHING_UP = 1_000;

/** What the window knows: the last good dashboard, and what has gone wrong since. */
export class Live {
  data = $state.raw<Dashboard | null>(null);
  /** Why the figures cannot be read just now. */
  failure = $state.raw<ApiError | null>(null);
  /** Why the user's last click did nothing. */
  refusal = $state.raw<ApiError | null>(null);
  days = $state<Days>(30);
  /** The clock, in whole seconds so that it redraws no more often. */
  now = $state(wholeSeconds());
  #seen: number | null = null;
  #fetchedAt = 0;

  /** Follows the ledger while the document is visible; returns what ends it. */
  start(): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stopped = false;
    const run = async () => {
      clearTimeout(timer);
      if (stopped || document.visibilityState !== 'visible') return;
      await this.#look();
      timer = setTimeout(run, this.failure ? LOOK_AFTER_FAILURE : LOOK_EVERY);
    };
    document.addEventListener('visibilitychange', run);
    void run();
    return () => {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', run);
    };
  }

  async select(days: Days) {
    this.days = days;
    await this.#reading(() => this.#fetch());
  }

  async pause(until: UnixMillis | null) {
    await this.#asking(() => pauseNotifications(until));
    await this.#reading(() => this.#fetch());
  }

  openConfig = () => this.#asking(openConfig);

  removeGateway = (name: string) => this.#asking(() => removeGateway(name));

  makeDefaultGateway = (name: string) => this.#asking(() => makeDefaultGateway(name));

  #look() {
    this.now = wholeSeconds();
    return this.#reading(async () => {
      // Asked before the fetch: what changes meanwhile is then seen by the next look.
      const revisionNow = await revision();
      const catchingUp = this.data?.status.phase.kind === 'catching_up';
      const due = this.#fetchedAt + (catchingUp ? FETCH_WHILE_CATCHING_UP : FETCH_AT_LEAST_EVERY);
      if (revisionNow === this.#seen && Date.now() < due) return;
      await this.#fetch();
      this.#seen = revisionNow;
    });
  }

  async #fetch() {
    const asked = this.days;
    const data = await dashboard(asked);
    // Another range was chosen while this one was on its way.
    if (asked !== this.days) return;
    this.data = data;
    this.#fetchedAt = Date.now();
  }

  async #reading(read: () => Promise<void>) {
    try {
      await read();
      this.failure = null;
    } catch (failure) {
      this.failure = failure as ApiError;
    }
  }

  async #asking(ask: () => Promise<void>) {
    try {
      await ask();
      this.refusal = null;
    } catch (failure) {
      this.refusal = failure as ApiError;
    }
  }
}

function wholeSeconds(): number {
  return Math.floor(Date.now() / 1000) * 1000;
}
