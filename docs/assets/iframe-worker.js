// Browsers start no worker of a page that was opened as a file. The search runs in one, so here a
// frame takes its place. Zensical would otherwise load such a script from unpkg.com.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.postMessage = (data) => this.give(this, data);
      const script = inside.document.createElement("script");
      script.src = new URL(address, location.href).href;
      script.onload = () => {
        for (const data of this.waiting.splice(0)) this.give(inside, data);
        this.waiting = null;
      };
      script.onerror = () => this.onerror?.(new ErrorEvent("error"));
      inside.document.body.append(script);
    }

    give(target, message) {
      const data = structuredClone(message); // as between threads: nothing is shared
      setTimeout(() => {
        const event = new MessageEvent("message", { data });
        if (target === this) this.onmessage?.(event);
        target.dispatchEvent(event);
      });
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.give(this.frame.contentWindow, data);
    }

    terminate() {
      this.frame.remove();
    }
  };
}
