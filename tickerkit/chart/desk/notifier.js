/**
 * Notifier: a notification of the browser and a sound for alerts whose user has asked for them.
 */

/** @import { DeskEvent } from "./messages.d.ts" */

const TONE_HZ = 880;
const TONE_S = 0.25;
const VOLUME = 0.15;
/** Of many alerts at once, only the newest are notified of. */
const MAX_AT_ONCE = 3;

export class Notifier {
  /** @type {AudioContext | null} */
  #audio = null;

  /** Whether the browser lets the page notify: "granted", "denied", or "default" before the user
   *  was asked. */
  get permission() {
    return "Notification" in globalThis ? Notification.permission : "denied";
  }

  /** Ask the user; browsers want a click for it. */
  async ask() {
    if ("Notification" in globalThis) await Notification.requestPermission();
  }

  /**
   * Notify of events, the newest last.
   *
   * @param {DeskEvent[]} events
   * @param {string} name of the dashboard
   */
  notify(events, name) {
    if (events.some(({ sound }) => sound)) this.#beep();
    const wanted = events.filter(({ notify }) => notify).slice(-MAX_AT_ONCE);
    if (this.permission !== "granted") return;
    for (const { number, symbol, text } of wanted) {
      try {
        // Pages that show the same dashboard have the same tag: the user sees it once.
        new Notification(symbol || name, { body: text, tag: `tickerkit ${name} ${number}` });
      } catch {
        return; // browsers of telephones have notifications of service workers only
      }
    }
  }

  #beep() {
    try {
      this.#audio ??= new AudioContext();
      const audio = this.#audio;
      if (audio.state === "suspended") audio.resume().catch(() => {});
      const [tone, gain] = [audio.createOscillator(), audio.createGain()];
      tone.frequency.value = TONE_HZ;
      gain.gain.setValueAtTime(VOLUME, audio.currentTime);
      gain.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + TONE_S);
      tone.connect(gain).connect(audio.destination);
      tone.start();
      tone.stop(audio.currentTime + TONE_S);
    } catch (error) {
      console.warn("tickerkit: the browser plays no sound", error);
    }
  }
}
