/** Elements without a page: as much of them as the tests' subjects touch. */

/** An element with attributes and children. */
export class FakeElement {
  attributes = new Map();

  /** @param {Record<string, string>} attributes */
  constructor(attributes = {}, children = []) {
    this.attributes = new Map(Object.entries(attributes));
    this.children = children;
  }

  getAttribute(name) {
    return this.attributes.get(name) ?? null;
  }

  setAttribute(name, value) {
    this.attributes.set(name, value);
  }

  removeAttribute(name) {
    this.attributes.delete(name);
  }
}

/** Return what stands for Plotly's element: the elements that each selector finds, and its data. */
export const fakePlot = (found, rest = {}) => ({
  querySelectorAll: (selector) => found[selector] ?? [],
  _fullData: [],
  _fullLayout: {},
  layout: {},
  ...rest,
});
