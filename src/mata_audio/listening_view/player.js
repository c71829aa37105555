// The sound of a clip: one audio element, and stretches of it.
"use strict";
{
  const view = (globalThis.ListeningView ??= {});

  // Calls onChange(time) on every frame while playing, and whenever play, pause or place changes.
  view.player = (onChange) => {
    // In the page, so that taking the view out of the page stops it.
    const audio = view.make("audio", { preload: "auto", hidden: "" });
    let end = Infinity;
    let source = "";

    function changed() {
      if (audio.currentTime >= end) {
        const at = end;
        end = Infinity;
        audio.pause();
        audio.currentTime = at;
      }
      onChange(audio.currentTime);
    }

    function follow() {
      changed();
      if (!audio.paused) requestAnimationFrame(follow);
    }

    audio.addEventListener("play", () => requestAnimationFrame(follow));
    for (const name of ["pause", "seeked", "timeupdate", "ended"]) {
      audio.addEventListener(name, changed);
    }

    const player = {
      element: audio,
      get time() { return audio.currentTime; },
      get playing() { return !audio.paused && !audio.ended; },
      get silent() { return source === ""; },

      load(address) {
        source = address;
        end = Infinity;
        audio.pause();
        if (source) audio.src = source;
        else audio.removeAttribute("src");
        onChange(0);
      },

      seek(time) {
        end = Infinity;
        audio.currentTime = time;
        onChange(time);
      },

      play(from = null, to = Infinity) {
        if (player.silent) return;
        if (from !== null) audio.currentTime = from;
        end = to;
        // Browsers refuse sound until the reader has touched the page; the button still works then.
        audio.play().catch(() => onChange(audio.currentTime));
      },

      pause() { audio.pause(); },

      toggle() {
        if (player.playing) audio.pause();
        else player.play();
      },
    };
    return player;
  };
}
