// Comments below a page of Docusaurus: <Comments server="https://comments.example" site={1} /> at the end of DocItem/Layout
// or BlogPostPage, which `docusaurus swizzle` gives you. They follow the reader from page to page, and the colour mode.
import {useLocation} from '@docusaurus/router';
import {useColorMode} from '@docusaurus/theme-common';
import {Comments as Plain} from '../react/Comments.jsx';

export function Comments({options, ...props}) {
  const {pathname} = useLocation();
  const {colorMode} = useColorMode();
  // Another key: the widget is made anew in the other colours.
  return <Plain key={colorMode} channel={pathname} options={{theme: colorMode, ...options}} {...props} />;
}
