// What the structure of the widget in this page is; lengths in em of its own text.
() => {
    const root = document.querySelector('.mc-root'), em = parseFloat(getComputedStyle(root).fontSize);
    const $ = s => root.querySelector(s), box = s => $(s).getBoundingClientRect(), css = (s, p) => getComputedStyle($(s))[p];
    const px = (s, p) => parseFloat(css(s, p)) / em, clear = 'rgba(0, 0, 0, 0)';
    // What a plain block in its place would have.
    const probe = document.createElement('div'), row = getComputedStyle(root.parentElement);
    probe.style.cssText = 'justify-self: stretch; align-self: stretch; margin: 0; padding: 0; border: 0; box-sizing: border-box; width: auto';
    root.before(probe);
    const free = row.display === 'flex' && row.flexDirection === 'row'
        ? root.parentElement.clientWidth - parseFloat(row.paddingLeft) - parseFloat(row.paddingRight) : probe.getBoundingClientRect().width;
    probe.remove();
    const shift = s => (box(s).left - box('.mc-list > .mc-c').left) / em;
    return {
        width: Math.min(46, free / em) - root.getBoundingClientRect().width / em,
        reply: shift('.mc-nest .mc-c'), deeper: shift('.mc-nest .mc-nest .mc-c'), text: shift('.mc-text'),
        avatar: box('.mc-avatar').width / em, round: css('.mc-avatar', 'borderRadius'), gap: px('.mc-list', 'rowGap'),
        box: px('.mc-input', 'paddingLeft'), boxTop: px('.mc-input', 'paddingTop'), edge: css('.mc-box', 'borderTopWidth'),
        fills: box('.mc-box').width - box('.mc-input').width < 4, who: box('.mc-box').width - box('.mc-nick').width < 2.2 * em,
        field: css('.mc-nick', 'borderTopWidth') + css('.mc-input', 'boxShadow'),
        nick: box('.mc-nick').height / em < 3, post: px('.mc-formbtn', 'paddingLeft'), postWide: box('.mc-formbtn').width / em < 8,
        filled: css('.mc-formbtn', 'backgroundColor') !== clear && css('.mc-formbtn', 'backgroundColor') !== css('.mc-formbtn', 'color'),
        hidden: [...root.querySelectorAll('[hidden]')].every(n => !n.getClientRects().length), pill: $('.mc-pill').hidden,
        marks: css('.mc-text ul', 'listStyleType') + css('.mc-text ol', 'listStyleType') + css('.mc-text li', 'display'),
        markedBy: css('.mc-text li', 'listStyleType'), list: px('.mc-text ul', 'paddingLeft'),
        quote: px('.mc-text blockquote', 'paddingLeft'), line: css('.mc-text blockquote', 'borderLeftWidth'),
        pre: px('.mc-text pre', 'paddingLeft'), link: css('.mc-text a', 'textDecorationLine'), space: px('.mc-text ul', 'marginTop'),
        icon: box('.mc-up .mc-icon').width, fill: css('.mc-up path', 'fill'),
        quiet: css('.mc-act.mc-reply', 'backgroundColor') === clear && css('.mc-reply', 'borderTopWidth') === '0px'
            && css('.mc-thread', 'backgroundColor') === clear,
        row: box('.mc-acts').height / em < 2.6, head: box('.mc-head').height / em < 2, sorts: box('.mc-header').height / em < 4,
        headerEnd: Math.round((box('.mc-header').right - box('.mc-bell').right) / em), acts: box('.mc-reply').left > box('.mc-down').left,
    };
}
