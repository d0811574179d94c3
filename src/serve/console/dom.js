// Making and changing elements without ever reading a text as markup, and without touching what is
// the same: so nothing flickers, and focus and selection stay where they are.

/** A new element. `attributes` with the value null or false are left out; `on` holds listeners. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  set(made, attributes);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A new SVG element. */
export function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  set(made, attributes);
  made.append(...children);
  return made;
}

/** Sets attributes where they differ. */
export function set(target, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) target.addEventListener(event, listener);
    } else if (value === null || value === undefined || value === false) {
      target.removeAttribute(name);
    } else {
      const text = value === true ? '' : String(value);
      if (target.getAttribute(name) !== text) target.setAttribute(name, text);
    }
  }
}

/** Sets the text where it differs. */
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Shows or hides. */
export function show(target, shown) {
  if (target.hidden === shown) target.hidden = !shown;
}

/**
 * Makes the children of `parent` those of `items`, in their order. A child is made once for each key
 * and then only filled again.
 */
export function keyed(parent, items, key, make, fill) {
  const keys = items.map(key);
  const wanted = new Set(keys);
  const known = new Map();
  for (const child of [...parent.children]) {
    if (wanted.has(child.dataset.key)) known.set(child.dataset.key, child);
    else child.remove();
  }
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  let next = parent.firstElementChild;
  items.forEach((item, place) => {
    let child = known.get(keys[place]);
    if (!child) {
      child = make(item);
      child.dataset.key = keys[place];
    }
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
    fill(child, item);
  });
  // What is moved loses the focus.
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
}
