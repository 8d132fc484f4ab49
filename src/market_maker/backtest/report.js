"use strict";
// Draws the session's series on canvases that share one range of time: wheel or buttons zoom, dragging pans.
(() => {
  const data = JSON.parse(document.getElementById("series").textContent);
  const sum = (steps) => { let at = 0; return Float64Array.from(steps, (s) => (s === null ? NaN : (at += s))); };
  const envelope = (e, unit) => {
    const low = sum(e.low).map((v) => v * unit);
    return { low, high: low.map((v, i) => v + e.wide[i] * unit) };
  };
  const begin = data.begin_ms, price = data.price_unit;
  const mid = envelope(data.mid2, price / 2), bid = envelope(data.bid, price), ask = envelope(data.ask, price);
  const held = envelope(data.position, data.base_unit);
  const parts = Object.entries(data.parts).map(([name, steps]) => [name, sum(steps).map((v) => v / 1e6)]);
  const total = parts[0][1].map((_, i) => parts.reduce((t, [, v]) => t + v[i], 0));
  const drawdown = sum(data.drawdown).map((v) => v / 1e6);
  const fills = { ms: sum(data.fills.ms), price: sum(data.fills.price).map((v) => v * price), qty: data.fills.qty.map((v) => v * data.base_unit), taker: new Set(data.fills.taker) };
  const endMs = Math.max(data.coarse_ms * (total.length - 1), data.fine_ms * mid.low.length);
  const view = { from: 0, to: endMs };
  let cursor = null;

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const LEFT = 66, RIGHT = 10, TOP = 10, BOTTOM = 22;
  const money = (v, digits) => (Math.abs(v) * 10 ** digits < 0.5 ? 0 : v).toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: digits }).replace("-", "\u2212");
  const digitsFor = (step) => Math.max(0, Math.min(8, -Math.floor(Math.log10(step) + 1e-9)));
  const clock = (ms, step) => {
    const iso = new Date(begin + ms).toISOString();
    if (step >= 86400000) return iso.slice(5, 10);
    return step < 1000 ? iso.slice(11, 23) : step < 60000 ? iso.slice(11, 19) : iso.slice(11, 16);
  };
  const TIMES = [1, 5, 10, 50, 100, 250, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5];
  const roundStep = (raw) => {
    const power = 10 ** Math.floor(Math.log10(raw)), lead = raw / power;
    return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
  };

  // What each panel draws, and what it says of the instant under the pointer.
  const PANELS = {
    market: {
      unit: "price", height: 340,
      range: (a, b) => extent([[mid.low, mid.high, data.fine_ms], [bid.low, bid.high, data.fine_ms], [ask.low, ask.high, data.fine_ms]], a, b),
      draw(p) {
        p.area(mid.low, mid.high, data.fine_ms, css("--six"), 0.4);
        p.area(bid.low, bid.high, data.fine_ms, css("--one"), 0.7);
        p.area(ask.low, ask.high, data.fine_ms, css("--two"), 0.7);
        p.fills();
      },
      tell(i) {
        const n = Math.floor(i / data.fine_ms), show = (e) => (Number.isNaN(e.low[n]) || e.low[n] === undefined ? "none" : e.low[n] === e.high[n] ? money(e.low[n], priceDigits) : `${money(e.low[n], priceDigits)}–${money(e.high[n], priceDigits)}`);
        const near = nearestFill(i);
        const fill = near < 0 ? "" : ` · fill ${fills.qty[near] > 0 ? "buy" : "sell"} ${money(Math.abs(fills.qty[near]), baseDigits)} at ${money(fills.price[near], priceDigits)}${fills.taker.has(near) ? " taker" : ""}`;
        return `mid ${show(mid)} · our bid ${show(bid)} · our ask ${show(ask)}${fill}`;
      },
    },
    equity: {
      unit: data.money, height: 240, zero: true,
      range: (a, b) => extent([[total, total, data.coarse_ms], ...parts.map(([, v]) => [v, v, data.coarse_ms])], a, b),
      draw(p) {
        parts.forEach(([, v], i) => p.line(v, data.coarse_ms, css(COLOURS[i]), 1.2));
        p.line(total, data.coarse_ms, css("--ink"), 2.2);
      },
      tell(i) {
        const n = Math.min(Math.floor(i / data.coarse_ms), total.length - 1);
        return `total ${money(total[n], 2)} · ${parts.map(([name, v]) => `${name.replace("_", " ")} ${money(v[n], 2)}`).join(" · ")}`;
      },
    },
    drawdown: {
      unit: data.money, height: 120, zero: true,
      range: (a, b) => extent([[drawdown, drawdown, data.coarse_ms]], a, b),
      draw: (p) => p.floor(drawdown, data.coarse_ms, css("--bad")),
      tell: (i) => `${money(drawdown[Math.min(Math.floor(i / data.coarse_ms), drawdown.length - 1)], 2)} ${data.money} from the best`,
    },
    inventory: {
      unit: data.base, height: 150, zero: true,
      range: (a, b) => extent([[held.low, held.high, data.coarse_ms]], a, b),
      draw: (p) => p.area(held.low, held.high, data.coarse_ms, css("--four"), 0.8),
      tell(i) {
        const n = Math.min(Math.floor(i / data.coarse_ms), held.low.length - 1);
        return `${money(held.low[n], baseDigits)}${held.low[n] === held.high[n] ? "" : ` to ${money(held.high[n], baseDigits)}`} ${data.base}`;
      },
    },
  };
  const COLOURS = ["--three", "--five", "--four", "--one", "--two"];
  const priceDigits = digitsFor(price), baseDigits = digitsFor(data.base_unit);

  function extent(series, from, to) {
    let low = Infinity, high = -Infinity;
    for (const [lows, highs, step] of series) {
      const first = Math.max(0, Math.floor(from / step)), last = Math.min(lows.length - 1, Math.ceil(to / step));
      for (let i = first; i <= last; i++) {
        if (lows[i] < low) low = lows[i];
        if (highs[i] > high) high = highs[i];
      }
    }
    return [low, high];
  }

  function nearestFill(ms) {
    const reach = ((view.to - view.from) / 900) * 5;
    let best = -1, gap = reach;
    for (let i = lowerBound(fills.ms, ms - reach); i < fills.ms.length && fills.ms[i] <= ms + reach; i++) {
      const d = Math.abs(fills.ms[i] - ms);
      if (d < gap) { gap = d; best = i; }
    }
    return best;
  }

  function lowerBound(values, wanted) {
    let low = 0, high = values.length;
    while (low < high) { const m = (low + high) >> 1; if (values[m] < wanted) low = m + 1; else high = m; }
    return low;
  }

  class Panel {
    constructor(canvas) {
      this.canvas = canvas;
      this.spec = PANELS[canvas.dataset.panel];
      this.said = canvas.parentElement.querySelector(".said");
      this.pen = canvas.getContext("2d");
    }
    x(ms) { return LEFT + ((ms - view.from) / (view.to - view.from)) * (this.width - LEFT - RIGHT); }
    y(v) { return this.height - BOTTOM - ((v - this.low) / (this.high - this.low)) * (this.height - TOP - BOTTOM); }
    paint() {
      const ratio = window.devicePixelRatio || 1;
      this.width = this.canvas.clientWidth;
      this.height = this.spec.height;
      this.canvas.width = this.width * ratio;
      this.canvas.height = this.height * ratio;
      const pen = this.pen;
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      let [low, high] = this.spec.range(view.from, view.to);
      if (!Number.isFinite(low)) [low, high] = [0, 1];
      if (this.spec.zero) { low = Math.min(low, 0); high = Math.max(high, 0); }
      const margin = (high - low) * 0.06 || Math.abs(high) * 1e-4 || 1;
      this.low = this.spec.zero && low === 0 ? 0 : low - margin;
      this.high = this.spec.zero && high === 0 ? 0 : high + margin;
      if (this.low === this.high) { this.low -= 1; this.high += 1; }
      this.axes();
      pen.save();
      pen.beginPath();
      pen.rect(LEFT, TOP - 2, this.width - LEFT - RIGHT, this.height - TOP - BOTTOM + 4);
      pen.clip();
      this.spec.draw(this);
      this.cross();
      pen.restore();
    }
    axes() {
      const pen = this.pen;
      pen.font = "11px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
      pen.fillStyle = css("--soft");
      pen.lineWidth = 1;
      const step = roundStep((this.high - this.low) / Math.max(2, this.height / 44)), digits = digitsFor(step);
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      for (let k = Math.ceil(this.low / step); k * step <= this.high; k++) {
        const y = this.y(k * step);
        pen.strokeStyle = k === 0 && this.spec.zero ? css("--line") : css("--grid");
        pen.beginPath(); pen.moveTo(LEFT, y); pen.lineTo(this.width - RIGHT, y); pen.stroke();
        pen.fillText(money(k * step, digits), LEFT - 7, y);
      }
      const span = view.to - view.from, wanted = span / Math.max(2, this.width / 110);
      const every = TIMES.find((t) => t >= wanted) || 864e5 * Math.ceil(wanted / 864e5);
      pen.textAlign = "center";
      pen.textBaseline = "alphabetic";
      pen.strokeStyle = css("--grid");
      for (let at = Math.ceil((begin + view.from) / every) * every - begin; at <= view.to; at += every) {
        const x = this.x(at);
        pen.beginPath(); pen.moveTo(x, TOP); pen.lineTo(x, this.height - BOTTOM); pen.stroke();
        if (x > LEFT + 18 && x < this.width - 24) pen.fillText(clock(at, every), x, this.height - 6);
      }
    }
    range(step, length) {
      return [Math.max(0, Math.floor(view.from / step) - 1), Math.min(length - 1, Math.ceil(view.to / step) + 1)];
    }
    // A band from lowest to highest; several buckets of one pixel are drawn as one.
    area(lows, highs, step, colour, alpha) {
      const pen = this.pen, [first, last] = this.range(step, lows.length);
      const many = Math.max(1, Math.floor(((last - first) / (this.width - LEFT - RIGHT)) * 1.0));
      pen.fillStyle = colour;
      pen.globalAlpha = alpha;
      for (let i = first; i <= last; i += many) {
        let low = Infinity, high = -Infinity;
        for (let k = i; k < Math.min(i + many, last + 1); k++) {
          if (lows[k] < low) low = lows[k];
          if (highs[k] > high) high = highs[k];
        }
        if (low === Infinity) continue;
        const x = this.x(i * step), wide = this.x((i + many) * step) - x, top = this.y(high);
        pen.fillRect(x, top - 0.7, wide + 0.3, Math.max(this.y(low) - top, 0) + 1.4);
      }
      pen.globalAlpha = 1;
    }
    line(values, step, colour, wide) {
      const pen = this.pen, [first, last] = this.range(step, values.length);
      pen.strokeStyle = colour;
      pen.lineWidth = wide;
      pen.lineJoin = "round";
      pen.beginPath();
      for (let i = first; i <= last; i++) {
        const x = this.x(i * step), y = this.y(values[i]);
        if (i === first) pen.moveTo(x, y); else pen.lineTo(x, y);
      }
      pen.stroke();
    }
    floor(values, step, colour) {
      const pen = this.pen, [first, last] = this.range(step, values.length);
      pen.beginPath();
      pen.moveTo(this.x(first * step), this.y(0));
      for (let i = first; i <= last; i++) { pen.lineTo(this.x(i * step), this.y(values[i])); pen.lineTo(this.x((i + 1) * step), this.y(values[i])); }
      pen.lineTo(this.x((last + 1) * step), this.y(0));
      pen.closePath();
      pen.fillStyle = colour;
      pen.globalAlpha = 0.35;
      pen.fill();
      pen.globalAlpha = 1;
    }
    fills() {
      const pen = this.pen, first = lowerBound(fills.ms, view.from), last = lowerBound(fills.ms, view.to);
      const size = last - first > 1500 ? 2.6 : last - first > 300 ? 3.6 : 5;
      for (let i = first; i < last; i++) {
        const x = this.x(fills.ms[i]), y = this.y(fills.price[i]), up = fills.qty[i] > 0 ? 1 : -1;
        pen.fillStyle = css(up > 0 ? "--one" : "--two");
        pen.strokeStyle = css("--card");
        pen.lineWidth = 0.8;
        pen.beginPath();
        pen.moveTo(x, y - up * size); pen.lineTo(x - size, y + up * size); pen.lineTo(x + size, y + up * size);
        pen.closePath();
        pen.fill();
        pen.stroke();
      }
    }
    cross() {
      if (cursor === null || cursor < view.from || cursor > view.to) { this.said.textContent = this.said.dataset.idle || ""; return; }
      const pen = this.pen, x = this.x(cursor);
      pen.strokeStyle = css("--soft");
      pen.setLineDash([3, 3]);
      pen.lineWidth = 1;
      pen.beginPath(); pen.moveTo(x, TOP); pen.lineTo(x, this.height - BOTTOM); pen.stroke();
      pen.setLineDash([]);
      this.said.textContent = `${clock(cursor, 1)} · ${this.spec.tell(cursor)}`;
    }
  }

  const panels = [...document.querySelectorAll("canvas[data-panel]")].map((c) => new Panel(c));
  let waiting = false;
  const paint = () => { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; panels.forEach((p) => p.paint()); }); } };
  const show = (from, to) => {
    const span = Math.min(Math.max(to - from, Math.min(2000, endMs)), endMs);
    view.from = Math.min(Math.max(from, 0), endMs - span);
    view.to = view.from + span;
    paint();
  };
  const zoom = (factor, about) => show(about - (about - view.from) * factor, about + (view.to - about) * factor);
  for (const panel of panels) {
    const canvas = panel.canvas;
    const at = (event) => view.from + ((event.offsetX - LEFT) / (panel.width - LEFT - RIGHT)) * (view.to - view.from);
    let grip = null;
    canvas.addEventListener("wheel", (event) => { if (!event.ctrlKey && !event.shiftKey && Math.abs(event.deltaX) < Math.abs(event.deltaY)) { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : 0.8, at(event)); } }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => { grip = { x: event.offsetX, from: view.from, to: view.to }; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", (event) => {
      cursor = at(event);
      if (grip) { const moved = ((event.offsetX - grip.x) / (panel.width - LEFT - RIGHT)) * (grip.to - grip.from); show(grip.from - moved, grip.to - moved); }
      paint();
    });
    canvas.addEventListener("pointerup", () => { grip = null; });
    canvas.addEventListener("pointerleave", () => { cursor = null; paint(); });
    canvas.addEventListener("dblclick", () => show(0, endMs));
    canvas.addEventListener("keydown", (event) => {
      const span = view.to - view.from, middle = view.from + span / 2;
      const keys = { ArrowLeft: () => show(view.from - span / 5, view.to - span / 5), ArrowRight: () => show(view.from + span / 5, view.to + span / 5), "+": () => zoom(0.7, middle), "-": () => zoom(1.4, middle), 0: () => show(0, endMs) };
      if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
    });
  }
  document.querySelectorAll("button[data-zoom]").forEach((button) => button.addEventListener("click", () => {
    const factor = Number(button.dataset.zoom), middle = (view.from + view.to) / 2;
    if (factor) zoom(factor, middle); else show(0, endMs);
  }));
  window.addEventListener("resize", paint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  paint();
})();
