'use strict';
// Voxel images turned in 3D and cut along an axis; drawn point by point into pixels, nearest in front.
// Symbols of the axes and their subscripts.
const AXES = [['cos θ', 'ℓ'], ['cos θ', 'K'], ['χ', '']];
const NAMES = AXES.map(([symbol, sub]) => `${symbol.replace(/[θχ]/, '<i>$&</i>')}${sub ? `<sub><i>${sub}</i></sub>` : ''}`);
const ENDS = [['−1', '1'], ['−1', '1'], ['−π', 'π']];

function bytes(text) { return Uint8Array.from(atob(text), (c) => c.charCodeAt(0)); }

function unpacked(image) {
  const cells = new Uint32Array(bytes(image.cells).buffer), q2 = new Float32Array(bytes(image.q2).buffer);
  return { delta_c9: image.truth, bins: image.bins, cells, q2 };
}

class Viewers {
  constructor(place, images, palette, symbol) {
    this.palette = palette.map(([r, g, b]) => [r, g, b]);
    this.images = images;
    this.bins = images[0].bins;
    const all = new Float32Array(images.reduce((n, image) => n + image.q2.length, 0));
    images.reduce((at, image) => { all.set(image.q2, at); return at + image.q2.length; }, 0);
    all.sort();
    this.low = all[Math.floor(0.01 * (all.length - 1))];
    this.high = all[Math.floor(0.99 * (all.length - 1))];
    this.cut = { axis: 2, first: 0, last: this.bins - 1 };
    this.views = images.map((image) => {
      const figure = document.createElement('figure'), caption = document.createElement('figcaption');
      caption.textContent = `${symbol} = ${image.truth}, ${image.cells.length} of ${image.bins}³ cells occupied`;
      const cube = document.createElement('canvas'), flat = document.createElement('canvas');
      cube.tabIndex = 0;
      cube.className = 'cube';
      cube.setAttribute('role', 'img');
      cube.setAttribute('aria-label', `Voxel image at ${symbol} = ${image.truth}; arrow keys turn it, + and − zoom`);
      flat.className = 'cut';
      flat.setAttribute('role', 'img');
      flat.setAttribute('aria-label', `Cut of the voxel image at ${symbol} = ${image.truth}`);
      figure.append(caption, cube, flat);
      place.append(figure);
      this.listen(cube);
      return { image, cube, flat, words: caption };
    });
    this.home();
  }

  home() { this.turn = -0.6; this.tilt = 0.45; this.zoom = 1; this.draw(); }

  listen(canvas) {
    let last = null;
    canvas.addEventListener('pointerdown', (e) => { last = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
    canvas.addEventListener('pointerup', () => { last = null; });
    canvas.addEventListener('pointermove', (e) => {
      if (!last) return;
      this.turn += 0.01 * (e.clientX - last[0]);
      this.tilt = Math.max(-1.57, Math.min(1.57, this.tilt + 0.01 * (e.clientY - last[1])));
      last = [e.clientX, e.clientY];
      this.draw();
    });
    canvas.addEventListener('keydown', (e) => {
      const step = { ArrowLeft: [-0.1, 0, 1], ArrowRight: [0.1, 0, 1], ArrowUp: [0, -0.1, 1], ArrowDown: [0, 0.1, 1],
        '+': [0, 0, 1.1], '-': [0, 0, 1 / 1.1] }[e.key];
      if (!step) return;
      e.preventDefault();
      this.turn += step[0];
      this.tilt = Math.max(-1.57, Math.min(1.57, this.tilt + step[1]));
      this.zoom = Math.max(0.4, Math.min(4, this.zoom * step[2]));
      this.draw();
    });
  }

  // One drawing a frame, however many events ask for it.
  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.drawNow(); });
  }

  drawNow() { for (const view of this.views) { this.drawCube(view); this.drawCut(view); } }

  colour(q2) {
    const place = Math.max(0, Math.min(1, (q2 - this.low) / (this.high - this.low || 1)));
    return this.palette[Math.round(place * (this.palette.length - 1))];
  }

  place(cell) { const n = this.bins; return [Math.floor(cell / (n * n)), Math.floor(cell / n) % n, cell % n]; }

  inside(place) { const at = place[this.cut.axis]; return at >= this.cut.first && at <= this.cut.last; }

  drawCube({ image, cube }) {
    const side = Math.round(Math.max(260, cube.clientWidth || 400) * Math.min(2, devicePixelRatio)), n = this.bins;
    const height = Math.round(0.86 * side);
    if (cube.width !== side || cube.height !== height) { cube.width = side; cube.height = height; }
    const context = cube.getContext('2d'), pixels = context.createImageData(side, height);
    const out = new Uint32Array(pixels.data.buffer), depth = new Float32Array(side * height).fill(-10);
    const scale = 0.235 * side * this.zoom, [cx, cy] = [side / 2, 0.48 * height];
    const [ct, st, cp, sp] = [Math.cos(this.turn), Math.sin(this.turn), Math.cos(this.tilt), Math.sin(this.tilt)];
    // cos θ_ℓ to the right, χ to the back, cos θ_K upwards before any turn.
    const project = (l, k, c) => {
      const x = ct * l + st * c, back = -st * l + ct * c;
      return [cx + scale * x, cy - scale * (cp * k + sp * back), sp * k - cp * back];
    };
    this.project = project;
    const size = Math.max(2, Math.round(1.5 * scale / n));
    for (let i = 0; i < image.cells.length; i++) {
      const place = this.place(image.cells[i]);
      if (!this.inside(place)) continue;
      const [x, y, z] = project(...place.map((at) => (2 * at + 1) / n - 1));
      const [r, g, b] = this.colour(image.q2[i]);
      // Farther cells are a little lighter: the eye takes that for depth.
      const fade = 0.28 * Math.max(0, Math.min(1, (1 - z) / 2.6));
      const mix = (c) => Math.round(c + (255 - c) * fade);
      const value = (255 << 24) | (mix(b) << 16) | (mix(g) << 8) | mix(r);
      const [x0, y0] = [Math.round(x - size / 2), Math.round(y - size / 2)];
      for (let yy = Math.max(0, y0); yy < Math.min(height, y0 + size); yy++) {
        for (let xx = Math.max(0, x0); xx < Math.min(side, x0 + size); xx++) {
          const at = yy * side + xx;
          if (z > depth[at]) { depth[at] = z; out[at] = value; }
        }
      }
    }
    context.putImageData(pixels, 0, 0);
    this.frame(context, project, side);
  }

  frame(context, project, side) {
    const corners = [];
    for (const l of [-1, 1]) for (const k of [-1, 1]) for (const c of [-1, 1]) corners.push([l, k, c]);
    context.lineWidth = side / 500;
    context.strokeStyle = '#444';
    for (const a of corners) {
      for (let axis = 0; axis < 3; axis++) {
        if (a[axis] > 0) continue;
        const b = a.slice();
        b[axis] = 1;
        const [p, q] = [project(...a), project(...b)];
        context.globalAlpha = Math.min(p[2], q[2]) < -1.2 ? 0.35 : 0.9;
        context.beginPath();
        context.moveTo(p[0], p[1]);
        context.lineTo(q[0], q[1]);
        context.stroke();
      }
    }
    context.globalAlpha = 1;
    context.fillStyle = '#111';
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    const middle = project(0, 0, 0);
    for (let axis = 0; axis < 3; axis++) {
      // Along the edge that lies farthest outside and below.
      const edges = [[-1, -1], [-1, 1], [1, -1], [1, 1]].map(([a, b]) => {
        const at = (t) => { const p = [a, b]; p.splice(axis, 0, t); return project(...p); };
        const m = at(0);
        return { at, m, far: Math.hypot(m[0] - middle[0], m[1] - middle[1]) + 0.4 * (m[1] - middle[1]) };
      });
      const edge = edges.reduce((a, b) => (b.far > a.far ? b : a));
      const word = (text, sub, t, size, push) => {
        const p = edge.at(t), [dx, dy] = [edge.m[0] - middle[0], edge.m[1] - middle[1]], norm = Math.hypot(dx, dy) || 1;
        const font = (scale) => { context.font = `${Math.round(scale * size * side / 400)}px sans-serif`; };
        const [x, y] = [p[0] + push * side * dx / norm, p[1] + push * side * dy / norm];
        font(1);
        const width = context.measureText(text).width;
        font(0.7);
        const below = context.measureText(sub).width;
        context.fillText(sub, x + width / 2, y + 0.35 * size * side / 400);
        font(1);
        context.fillText(text, x - below / 2, y);
      };
      word(...AXES[axis], 0, 14, 0.085);
      word(ENDS[axis][0], '', -0.94, 11, 0.035);
      word(ENDS[axis][1], '', 0.94, 11, 0.035);
    }
  }

  drawCut({ image, flat }) {
    const n = this.bins, axis = this.cut.axis, [across, up] = [[1, 2], [0, 2], [0, 1]][axis];
    if (flat.width !== n) { flat.width = n; flat.height = n; }
    const sums = new Float64Array(n * n), counts = new Uint32Array(n * n);
    for (let i = 0; i < image.cells.length; i++) {
      const place = this.place(image.cells[i]);
      if (!this.inside(place)) continue;
      const at = (n - 1 - place[up]) * n + place[across];
      sums[at] += image.q2[i];
      counts[at] += 1;
    }
    const context = flat.getContext('2d'), pixels = context.createImageData(n, n);
    for (let i = 0; i < n * n; i++) {
      const [r, g, b] = counts[i] ? this.colour(sums[i] / counts[i]) : [255, 255, 255];
      pixels.data.set([r, g, b, 255], 4 * i);
    }
    context.putImageData(pixels, 0, 0);
    flat.title = `${AXES[across].join('')} to the right, ${AXES[up].join('')} upwards`;
  }
}

// The section with the viewers and their controls.
function images(data, element) {
  const viewers = new Viewers(element('viewers'), data.images.map(unpacked), data.palette, data.symbol);
  const last = viewers.bins - 1;
  const words = () => {
    const { axis, first, last: end } = viewers.cut, [low, high] = axis === 2 ? [-Math.PI, Math.PI] : [-1, 1];
    const edge = (i) => (low + (high - low) * i / viewers.bins).toFixed(2).replace('-', '−');
    element('cut-words').innerHTML = `${edge(first)} ≤ ${NAMES[axis]} &lt; ${edge(end + 1)}`;
  };
  for (const [id, value] of [['cut-first', 0], ['cut-last', last]]) {
    element(id).max = last;
    element(id).value = value;
  }
  const cut = (moved) => {
    let [first, end] = [Number(element('cut-first').value), Number(element('cut-last').value)];
    if (first > end) { if (moved === 'cut-first') { end = first; } else { first = end; } }
    element('cut-first').value = first;
    element('cut-last').value = end;
    const axis = document.querySelector('input[name=cut-axis]:checked').value;
    viewers.cut = { axis: Number(axis), first, last: end };
    words();
    viewers.draw();
  };
  for (const id of ['cut-first', 'cut-last']) element(id).addEventListener('input', () => cut(id));
  for (const radio of document.getElementsByName('cut-axis')) radio.addEventListener('input', () => cut(radio.name));
  element('turn-back').addEventListener('click', () => viewers.home());
  addEventListener('resize', () => viewers.draw());
  words();

  const scale = element('colours').getContext('2d');
  data.palette.forEach(([r, g, b], i) => { scale.fillStyle = `rgb(${r},${g},${b})`; scale.fillRect(i * 256 / data.palette.length, 0, 2, 14); });
  element('colours-words').textContent = `mean q² from ${viewers.low.toFixed(1)} to ${viewers.high.toFixed(1)} GeV²`;
}
