// Building and reading of XML elements as Strophe wants them: a namespace is a plain xmlns attribute.

export type Attributes = Record<string, string | number | boolean | undefined>;

const factory = document.implementation.createDocument(null, null);

/** Without the characters that XML 1.0 cannot hold (§2.2): one of them would end the whole stream. */
export function legal(text: string): string {
    return text.replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '');
}

/** Build an element; attributes that are undefined and children that are null are left out. */
export function x(name: string, attributes: Attributes = {}, ...children: (Element | string | null)[]): Element {
    const element = factory.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (value !== undefined) element.setAttribute(key, legal(String(value)));
    }
    for (const child of children) {
        if (child !== null) element.append(typeof child === 'string' ? legal(child) : child);
    }
    return element;
}

/** The children of that local name, in that namespace when one is given. */
export function children(parent: Element | null, name: string, namespace?: string): Element[] {
    return [...(parent?.children ?? [])].filter(
        (element) => element.localName === name && (!namespace || element.namespaceURI === namespace),
    );
}

/** The first such child, or null. */
export function child(parent: Element | null, name: string, namespace?: string): Element | null {
    return children(parent, name, namespace)[0] ?? null;
}

/** The text of the first such child, "" when absent. */
export function textOf(parent: Element | null, name: string, namespace?: string): string {
    return child(parent, name, namespace)?.textContent ?? '';
}

/** An attribute, "" when absent. */
export function attribute(element: Element | null, name: string): string {
    return element?.getAttribute(name) ?? '';
}
